"""An example for the help of every command: one line as it is typed, often with a second."""

from __future__ import annotations

EXAMPLES = {
    "info": "lightvessel info run12.dcm\nlightvessel info studies/ --json",
    "segment": (
        "lightvessel segment run12.dcm -o masks\nlightvessel segment frames/ --cine -o masks --threshold 0.4"
    ),
    "evaluate": (
        "lightvessel evaluate --images images --masks masks\n"
        "lightvessel evaluate --images images --masks masks --model nano --against small"
    ),
    "stress": "lightvessel stress --images images --masks masks --frames 20",
    "doctor": "lightvessel doctor\nlightvessel doctor coronary --repair",
    "train student": "lightvessel train student --arcade ARCADE -o student --network small --steps 3000",
    "train teacher": "lightvessel train teacher --arcade ARCADE -o teacher",
    "distill": (
        "lightvessel distill coronary --teacher teacher\n"
        "lightvessel distill --arcade ARCADE -o taught --teacher teacher/model --student student/model"
    ),
    "compare-methods": (
        "lightvessel compare-methods --quick -o table\n"
        "lightvessel compare-methods --arcade ARCADE --teacher teacher/model -o table --seeds 0,1,2"
    ),
    "finetune": "lightvessel finetune coronary\nlightvessel finetune coronary --steps 100 --detach",
    "dataset init": "lightvessel dataset init coronary",
    "dataset append": (
        "lightvessel dataset append coronary --image run12.dcm --frame 23 --mask 23.png --patient p-7"
    ),
    "dataset import": (
        "lightvessel dataset import coronary --images images --masks masks --patients patients.csv\n"
        "lightvessel dataset import coronary colleague.zip"
    ),
    "dataset publish": "lightvessel dataset publish coronary",
    "dataset export": (
        "lightvessel dataset export coronary -o for-nnunet --format nnunet\n"
        "lightvessel dataset export coronary -o segs --format dicom-seg --source run12.dcm"
    ),
    "dataset verify": "lightvessel dataset verify coronary --deep",
    "dataset list": "lightvessel dataset list coronary --json",
    "dataset label": 'lightvessel dataset label coronary 3fa9c0 "LCA, spider view"',
    "dataset withdraw": "lightvessel dataset withdraw coronary 3fa9c0",
    "dataset move": "lightvessel dataset move coronary 3fa9c0 --patient p-7",
    "dataset key export": "lightvessel dataset key export coronary site-key.txt",
    "dataset key import": "lightvessel dataset key import coronary site-key.txt",
    "models list": "lightvessel models list coronary",
    "models show": "lightvessel models show small",
    "models describe": "lightvessel models describe coronary small-ft-1a2b3c4d",
    "models compare": "lightvessel models compare coronary small-ft-1a2b3c4d",
    "models import": "lightvessel models import coronary weights.safetensors --like small",
    "models promote": (
        "lightvessel models promote coronary small-ft-1a2b3c4d\n"
        'lightvessel models promote coronary small-ft-1a2b3c4d --override "seen by two readers"'
    ),
    "models agree": "lightvessel models agree coronary small-ft-1a2b3c4d --by reader-1",
    "models keep": 'lightvessel models keep coronary small-ft-1a2b3c4d --reason "loses thin branches"',
    "models rollback": 'lightvessel models rollback coronary --reason "marks the catheter"',
    "models history": "lightvessel models history coronary",
    "runs list": "lightvessel runs list coronary",
    "runs watch": "lightvessel runs watch coronary",
    "runs cancel": "lightvessel runs cancel coronary",
    "runs resume": "lightvessel runs resume coronary",
}
