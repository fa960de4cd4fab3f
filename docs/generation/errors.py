"""The errors: the tree, what each means, and what to do."""

import inspect

from earmark import errors
from generation.markdown import code, page, paragraphs

ADVICE = {
    "EarmarkError": "Catch this one to catch all of them: `except earmark.EarmarkError`.",
    "AudioError": "Catch this one for whatever is wrong with a sound.",
    "DecodeError": "Play the file in another program. If that plays it whole, the message says which decoder refused "
    "it and why; convert it to FLAC and try that.",
    "StorageError": "Connect the disk or the share again, then ask again: nothing is known about the file itself.",
    "WaveformError": "Give samples with their rate, as `(array, rate)` or `earmark.Waveform(samples, rate_hz)`, "
    "without NaN or infinity, of one axis or two, samples and channels.",
    "SourceError": "Catch this one for whatever is wrong with one file: `.source` is the file, `.reason` the fault.",
    "FileError": "Play the file in another program. If that plays it, report the message: a "
    "library that earmark uses met bytes that its authors did not foresee.",
    "OutputError": "Make room on the disk that the results go to, or send them elsewhere, and run the command again.",
    "SiteError": "Name a folder that is new or holds an earlier site; where parts are missing, run `make site-assets`.",
    "PictureError": "Name a file that ends in .png or .svg, in a folder that is there and may be written to.",
    "ConfigurationError": "Correct or remove the key or variable that is named; `earmark config` shows all options.",
    "InstallationError": "The message holds what the system says, such as that a part of a library could not be "
    "loaded for lack of memory. Give the process more memory (`ulimit -v`), or install earmark anew.",
    "BatchError": "Read its `errors`, one for each file that failed; the predictions of all others were given. To hear "
    "of each failure when it happens, give `tag_many` an `on_error`, such as `print`.",
    "WorkerError": "The message says how the last process ended, and what it wrote. The usual reasons are too little "
    "memory and an environment that ends every Python process; put that right, and run the same command again.",
    "TagError": "The message names what was asked and what can be: a longer window, a tag of the model, "
    "`keep_features=True` for evidence, a lower precision.",
    "BundleError": "Name the folder that `earmark train`, `calibrate` or `teach` wrote, or a name that "
    "`earmark models` lists. A model that is not what its card says has been changed or cut off: copy it again.",
    "RecipeError": "Correct the key that is named; [all keys](recipe-keys.md) are known.",
    "DatasetError": "`earmark data check NAME --root FOLDER` says which files are missing and what the folder has to "
    "look like; so does [the page of datasets](datasets.md).",
    "StoreError": "Delete the folder of `runs/store` that is named; it is prepared anew.",
    "TrainingError": "The message says what the training lacks: tracks on a side, memory, a device, a finished step.",
    "TeachingError": "Label more tracks with the words named, by more than one artist, and some without the words.",
    "LibraryError": "The message says whether the file is absent, newer than this version, no library, or cannot be "
    "written; `earmark doctor --library FILE` looks at it.",
    "TrackFileError": "The message says what is in the way: rights, another program, a format without tags.",
    "QueryError": "The place is marked below the search. Put words with signs in them in quotes.",
    "UnknownWordError": "Choose one of the tags that the message names, or leave AND, OR, NOT, < and > out, to "
    "search in free words.",
    "MissingExtraError": "Run the line of the message, which installs the part.",
}
"""What to do about each, beside what its message says."""


def error_classes() -> dict[str, type]:
    """The errors by name, in the order in which they stand in the code."""
    return {name: each for name, each in vars(errors).items() if inspect.isclass(each)}


def errors_page() -> str:
    """The page of all errors."""
    tree = (errors.__doc__ or "").split("\n\n")[1]
    parts = []
    for name, each in error_classes().items():
        parts.append(f"## {name}")
        parts += paragraphs(each.__dict__.get("__doc__") or "")
        parts.append(f"**What to do.** {ADVICE[name]}" if name in ADVICE else "")
    return page(
        "Errors",
        "Everything that earmark raises on purpose is an `EarmarkError`, importable from `earmark.errors`. Every "
        "message says what was found, what was expected and what to do. The command line shows it as one line on "
        "stderr, `earmark: …`, and leaves with status 1; there is no traceback. A traceback is a mistake in earmark: "
        "please report it.",
        code(tree),
        *parts,
    )
