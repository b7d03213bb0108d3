"""What the help says of each command: its group, one line, two examples, and the page that tells more."""

from dataclasses import dataclass

GROUPS = ("Train", "Look", "Data", "Use")
START = (
    ("cnncli train digits", "a first network, without any download"),
    ("cnncli eval latest", "how good it is, and which classes it confuses"),
    ("cnncli init photos > my.yaml", "a config for a folder of your own pictures"),
)


@dataclass(frozen=True)
class About:
    """``examples`` are command lines with a few words on each; ``page`` is one of ``cnncli docs``."""

    group: str
    line: str
    examples: tuple[tuple[str, str], ...]
    page: str


ABOUT = {
    "train": About(
        "Train",
        "train the network that a config describes",
        (
            ("cnncli train digits", "a config that comes with cnncli, by its name"),
            ("cnncli train my.yaml optimizer.lr=0.01 --name second", "a config of your own, with one key overridden"),
        ),
        "command-line",
    ),
    "finetune": About(
        "Train",
        "fine-tune a pretrained network for your own classes",
        (
            ("cnncli finetune --from resnet18 --data photos --strategy head", "only the new head is trained"),
            ("cnncli finetune my.yaml --from resnet18 --dry-run", "only show what would be trained"),
        ),
        "your-own-photos",
    ),
    "list": About(
        "Look",
        "list the components that a config can use, and the shipped configs",
        (
            ("cnncli list optimizers", "their names and arguments"),
            ("cnncli list models resnet", "the networks whose name has resnet in it, with their sizes"),
        ),
        "command-line",
    ),
    "config": About(
        "Look",
        "check a config, and print it with every default",
        (
            ("cnncli config my.yaml optimizer.name=sgd", "every key that this run would use"),
            ("cnncli config --schema > schema.json", "for editors that complete and check YAML"),
        ),
        "command-line",
    ),
    "inspect": About(
        "Look",
        "show the layers of a network, their shapes and parameters",
        (
            ("cnncli inspect digits", "the newest run called digits; if there is none, the config digits"),
            ("cnncli inspect my.yaml model.name=resnet18 --input 3,64,64", "another network, for pictures of 64 × 64"),
        ),
        "inspect",
    ),
    "compare": About(
        "Look",
        "compare runs, and say whether they really differ",
        (
            ("cnncli compare digits smaller", "the runs of two names; smaller is compared with digits"),
            ("cnncli compare digits smaller --split test --latex", "on the test split, as a table for a paper"),
        ),
        "compare",
    ),
    "explain": About(
        "Look",
        "show what a network looks at, and which columns matter",
        (
            ("cnncli explain latest photo.jpg", "what in this picture speaks for the answer"),
            ("cnncli explain latest photos --method layercam --out maps", "a folder, with one sheet of all"),
        ),
        "explain",
    ),
    "report": About(
        "Look",
        "write a page about a run, or about several, in one file",
        (
            ("cnncli report latest", "report.html in the run's folder: results, curves, mistakes, and how it was made"),
            ("cnncli report digits smaller --out both.html", "two runs side by side"),
        ),
        "report",
    ),
    "convolve": About(
        "Look",
        "filter a picture with kernels, as a convolutional layer does",
        (
            ("cnncli convolve photo.jpg --kernel sharpen --kernel mine.txt", "photo-sharpen.png and photo-mine.png"),
            ("cnncli convolve photo.jpg --ckpt latest --out maps", "with the first layer of a network"),
        ),
        "command-line",
    ),
    "doctor": About(
        "Look",
        "check in short trials whether a run of a config will work",
        (
            ("cnncli doctor digits", "what was measured, and what is wrong"),
            ("cnncli doctor my.yaml train.epochs=50 --json", "with one key overridden, as JSON"),
        ),
        "doctor",
    ),
    "lr-find": About(
        "Look",
        "find a learning rate for a config by a range test",
        (
            ("cnncli lr-find digits", "a rate to put on the command line, and lr-find.png"),
            ("cnncli lr-find my.yaml optimizer.name=adamw --out rates.png", "for another optimizer"),
        ),
        "doctor",
    ),
    "learning-curve": About(
        "Look",
        "train on parts of the data, and say whether more data would help",
        (
            ("cnncli learning-curve digits --seeds 2", "six sizes with two seeds each, and curve.png"),
            ("cnncli learning-curve my.yaml train.epochs=2 --fractions 10,20,40,70,100", "five sizes, three seeds"),
        ),
        "inspect",
    ),
    "runs": About(
        "Look",
        "list runs, how their configs differ, and their results",
        (
            ("cnncli runs digits --sort metric", "the runs called digits, the best first"),
            ("cnncli runs --filter state=finished --best", "the best finished run of each name"),
        ),
        "runs",
    ),
    "docs": About(
        "Look",
        "read the pages that come with cnncli",
        (
            ("cnncli docs", "list the pages"),
            ("cnncli docs your-own-photos", "show one page"),
        ),
        "command-line",
    ),
    "init": About(
        "Data",
        "print a config for your pictures, or a copy of a shipped config",
        (
            ("cnncli init photos > my.yaml", "a config for a folder of pictures, with what was found in it"),
            ("cnncli init digits > my-digits.yaml", "a copy of a config that comes with cnncli"),
        ),
        "your-own-photos",
    ),
    "data": About(
        "Data",
        "split, check and look at data before training",
        (
            ("cnncli data check photos", "what is wrong with the files of a folder"),
            ("cnncli data show my.yaml --augmented", "a picture of what training sees"),
        ),
        "your-own-photos",
    ),
    "data split": About(
        "Data",
        "sort pictures into train/, val/ and test/",
        (
            ("cnncli data split pets sorted --labels labels.csv", "the classes are in a CSV file"),
            (r"cnncli data split pets sorted-2 --pattern '^([a-z]+)' --val 0.2", "the classes are in the file names"),
        ),
        "your-own-photos",
    ),
    "data undo": About(
        "Data",
        "undo a split: put files back, or remove the copies",
        (
            ("cnncli data undo sorted", "a folder that data split has made"),
            ("cnncli data undo sorted-2", "another one"),
        ),
        "your-own-photos",
    ),
    "data check": About(
        "Data",
        "find damaged, duplicate and suspicious samples",
        (
            ("cnncli data check photos", "a folder of pictures"),
            ("cnncli data check my.yaml --json", "the data of a config, as JSON with every finding"),
        ),
        "your-own-photos",
    ),
    "data show": About(
        "Data",
        "draw samples with their labels, as the network sees them",
        (
            ("cnncli data show digits", "writes samples.png"),
            ("cnncli data show my.yaml --augmented --split train --out seen.png", "with augmentation"),
        ),
        "your-own-photos",
    ),
    "data cache": About(
        "Data",
        "list the decoded pictures kept on disk, or remove them",
        (
            ("cnncli data cache", "how much there is, and where"),
            ("cnncli data cache --clear", "remove all of it"),
        ),
        "speed",
    ),
    "eval": About(
        "Use",
        "evaluate a trained network on the test split or on new data",
        (
            ("cnncli eval latest", "the newest run, on its test split"),
            ("cnncli eval digits --split val --json", "the newest run called digits, as JSON"),
        ),
        "splits",
    ),
    "predict": About(
        "Use",
        "predict the class of pictures, or a value for each row of a table",
        (
            ("cnncli predict second new_photos --top-k 2", "the two most probable classes of each picture"),
            ("cnncli predict iris flowers.csv --out predicted.csv", "the rows of a table, with predictions"),
        ),
        "your-own-photos",
    ),
    "export": About(
        "Use",
        "write a trained network as a file for other programs",
        (
            ("cnncli export latest --format onnx --out exported", "for ONNX Runtime, compared with the checkpoint"),
            ("cnncli export latest --verify exported/model.onnx", "compare a file that was exported earlier"),
        ),
        "deploy",
    ),
    "generate": About(
        "Use",
        "continue a text",
        (
            ("cnncli generate text-lstm --prompt 'To be' --length 200", "with the newest run called text-lstm"),
            ("cnncli generate text-lstm --temperature 0", "always the most probable character"),
        ),
        "other-nets",
    ),
    "forecast": About(
        "Use",
        "forecast beyond the end of a series",
        (
            ("cnncli forecast airline --steps 24 --plot next.png", "24 months, with a plot"),
            ("cnncli forecast airline --csv newer.csv --out next.csv", "continue a newer series, and write a table"),
        ),
        "series",
    ),
    "serve": About(
        "Use",
        "answer requests over HTTP, with documentation and metrics",
        (
            ("cnncli serve digits", "the newest run called digits, on http://127.0.0.1:8000"),
            ("cnncli serve digits iris --port 8080", "two networks: /models/digits/… and /models/iris/…"),
        ),
        "serve",
    ),
    "adopt": About(
        "Train",
        "make a run of the weights that a script of your own has saved",
        (
            ("cnncli adopt weights.pth my.yaml", "the names of the weights are those of the config's network"),
            ("cnncli adopt script.pth my.yaml --by-order", "the names are others; order and shapes fit"),
        ),
        "adopt",
    ),
}  # fmt: skip

CALLED_ELSEWHERE = {
    "resume": "train --resume",
    "fit": "train",
    "evaluate": "eval",
    "test": "eval",
    "confusion": "eval",
    "classify": "predict",
}
"""What commands are called in other programs, and their names here."""
