"""The one command table: what the command line offers, and what the UI binds, lists and copies.

A row names the command, the module of `mlcycle_app.cli` that holds it, the screen it belongs to and what it does.
Reading the table loads no command, so that `--help` stays light.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["COMMANDS", "PHASES", "Command", "named", "nouns", "of_screen"]

PHASES = ("Home", "Design", "Data", "Features", "Experiments", "Deploy", "Monitor", "Retrain")
"""Screens by number key."""


@dataclass(frozen=True)
class Command:
    """One thing a user can do."""

    words: str
    """As typed after `mlcycle`: a verb, or a noun and a verb."""
    module: str
    """Module below `mlcycle_app.cli` whose function `<words with _>` it is."""
    screen: int
    """Number of the screen it belongs to."""
    summary: str
    """One line for help, palette and tooltip."""
    key: str | None = None
    """Key that does it on its screen."""
    label: str = ""
    """Its word in the footer; only a screen's main commands have one."""
    takes: Mapping[str, str] = field(default_factory=dict)
    """Parameter to the kind of thing that the selection fills it with; see `tui.selection`."""
    sure: str = ""
    """Asked before it is run; `{name}` stands for a parameter."""
    typed: str = ""
    """Parameter whose value must be typed to say yes."""
    now: bool = False
    """Whether the key runs it with what the selection gives; else a form opens."""

    @property
    def id(self) -> str:
        """Name under which settings give it another key."""
        return self.words.replace(" ", ".")

    @property
    def function(self) -> str:
        """Name of the function in its module."""
        return self.words.replace(" ", "_").replace("-", "_")


COMMANDS = (
    Command("demo", "demo", 0, "Take the sample product once round the whole cycle"),
    Command("init", "start", 0, "Make a workspace, empty or from a data file"),
    Command("show", "show", 0, "Write a screen as plain text, with all its tables"),
    Command("status", "start", 0, "Show the lifecycle board"),
    Command("web", "web", 0, "Serve this UI to a browser on this machine"),
    Command("doctor", "start", 0, "Examine the workspace, and mend it with --mend"),
    Command("sql", "start", 0, "Ask the store a question over its public views"),
    Command("schema", "start", 0, "Write a JSON Schema for every declaration"),
    Command("trace", "start", 0, "Follow the thread from a requirement or a prediction"),
    Command("config show", "start", 0, "Print each setting with where it comes from"),
    Command("config path", "start", 0, "Print where the settings lie"),
    Command("store backup", "store", 0, "Copy the store, here or to another disk"),
    Command("store restore", "store", 0, "Put the store back from a backup or an export"),
    Command("store export", "store", 0, "Write everything as Parquet and JSON, to be read without mlcycle"),
    Command("store compact", "store", 0, "Give back the room the store does not use"),
    Command("store health", "store", 0, "Show backlog, holder, refused records and the newest backup"),
    Command("design list", "design", 1, "List the requirements in force"),
    Command("design add", "design", 1, "Write one more requirement into design.yaml", "n", "new"),
    Command(
        "design edit",
        "design",
        1,
        "Change a requirement in design.yaml, comments and order kept",
        "e",
        "edit",
        {
            "requirement_id": "requirement",
            "value": "value",
            "comparison": "comparison",
            "phases": "phases",
            "owner": "owner",
            "metric": "metric",
            "role": "role",
            "budget": "budget",
            "statement": "statement",
        },
    ),
    Command(
        "design check", "design", 1, "Read every declaration and say what binds where", "v", "check", now=True
    ),
    Command(
        "data ingest", "data", 2, "Take in a batch: a file, a folder, or the declared paths", "i", "ingest"
    ),
    Command("data list", "data", 2, "List the batches that have arrived"),
    Command("data versions", "data", 2, "List the versions of the datasets"),
    Command(
        "data profile", "data", 2, "Describe a dataset column by column", "p", takes={"dataset": "dataset"}
    ),
    Command(
        "quality check",
        "data",
        2,
        "Judge the batches that arrived, mend, set aside, admit",
        "r",
        "check",
        now=True,
    ),
    Command("quality history", "data", 2, "Show each check's results, newest first"),
    Command(
        "quality explain",
        "data",
        2,
        "Say what a check asks and show the rows that broke it",
        takes={"check": "check", "batch": "batch"},
    ),
    Command(
        "quality suggest",
        "data",
        2,
        "Suggest checks from the newest data, and write those accepted",
        takes={"dataset": "dataset"},
    ),
    Command("quality quarantine", "data", 2, "Show the rows set aside, with the reason"),
    Command("features list", "features", 3, "List the feature views"),
    Command("features build", "features", 3, "Build a point-in-time training set", "r", "build"),
    Command("features get", "features", 3, "Show one entity's features at a moment"),
    Command(
        "features explain", "features", 3, "Show which source rows gave an entity's features at a moment"
    ),
    Command(
        "features lint", "features", 3, "Look for features that see the future or the label", "l", now=True
    ),
    Command("train", "experiments", 4, "Fit the declared models, one run each", "r", "train"),
    Command(
        "sweep", "experiments", 4, "Fit a grid and pick the winner by its metric", "W", "sweep", now=True
    ),
    Command("run", "experiments", 4, "Run any script and keep what it logs"),
    Command("runs list", "experiments", 4, "List the runs, newest first"),
    Command("runs show", "experiments", 4, "Show one run"),
    Command(
        "runs stop",
        "experiments",
        4,
        "Ask a running run's process to stop",
        "x",
        takes={"run": "run"},
        sure="Stop {run}?",
        now=True,
    ),
    Command("runs compare", "experiments", 4, "Show where runs differ"),
    Command("runs best", "experiments", 4, "Rank the runs by a metric"),
    Command("models list", "deploy", 5, "List the model versions and their aliases"),
    Command(
        "models show", "deploy", 5, "Show one model version: its run, features, and what it was judged by"
    ),
    Command("models register", "deploy", 5, "Make a run's model the next version", takes={"run": "run"}),
    Command(
        "models gate",
        "deploy",
        5,
        "Ask whether a version meets the requirements",
        "v",
        "",
        {"model": "model"},
    ),
    Command(
        "models promote",
        "deploy",
        5,
        "Let a version that passes the gate become champion",
        "P",
        "promote",
        {"model": "model"},
        "Let {model} become champion, if the gate approves?",
        "model",
    ),
    Command(
        "models rollback",
        "deploy",
        5,
        "Bring the previous champion back",
        "B",
        "",
        {"model": "model name"},
        "Bring the previous champion of {model} back?",
        "model",
        now=True,
    ),
    Command("models audit", "deploy", 5, "Show every decision and its evidence"),
    Command(
        "images build",
        "deploy",
        5,
        "Build an image of the champion's server",
        "b",
        "build",
        {"model": "model"},
    ),
    Command("images list", "deploy", 5, "List the images built"),
    Command("serve", "deploy", 5, "Run the model server in front"),
    Command("deploy start", "deploy", 5, "Start the model server", "r", "start", {"model": "model"}),
    Command(
        "deploy stop",
        "deploy",
        5,
        "Stop the model server",
        "x",
        takes={"deployment": "deployment"},
        sure="Stop the server {deployment}?",
        now=True,
    ),
    Command(
        "deploy swap",
        "deploy",
        5,
        "Put the champion behind a running deployment",
        "C",
        takes={"deployment": "deployment"},
        sure="Put the champion behind {deployment}?",
        now=True,
    ),
    Command("deploy list", "deploy", 5, "List the deployments"),
    Command("deploy logs", "deploy", 5, "Show what a server said", takes={"deployment": "deployment"}),
    Command(
        "deploy stats",
        "deploy",
        5,
        "Show what a deployment served lately, and how fast",
        takes={"deployment": "deployment"},
    ),
    Command("predict", "deploy", 5, "Score a file, or the rows of a moment, through the server"),
    Command("monitor run", "monitor", 6, "Judge the windows that are not judged yet", "r", "judge", now=True),
    Command(
        "monitor show", "monitor", 6, "Show traffic over time, the newest windows, a feature's distribution"
    ),
    Command("monitor windows", "monitor", 6, "List the judged windows"),
    Command("monitor alerts", "monitor", 6, "List the alerts"),
    Command(
        "monitor ack", "monitor", 6, "Say that an alert was seen", "A", "ack", {"alert": "alert"}, now=True
    ),
    Command(
        "monitor labels", "monitor", 6, "Join labels that have become known to predictions", "L", now=True
    ),
    Command("watch", "retrain", 7, "Watch inbox/ and take in what is dropped there"),
    Command("retrain status", "retrain", 7, "Show triggers, challenger and decisions"),
    Command(
        "retrain propose",
        "retrain",
        7,
        "Open a trigger if alerts or new data ask for it",
        "p",
        "propose",
        now=True,
    ),
    Command("retrain run", "retrain", 7, "Train a challenger on old and new data", "r", "run", now=True),
    Command(
        "retrain judge",
        "retrain",
        7,
        "Judge the challenger on newer labels than it learnt from",
        "J",
        now=True,
    ),
    Command(
        "retrain approve",
        "retrain",
        7,
        "Promote the challenger by hand, with a reason",
        "P",
        "approve",
        {"model": "challenger"},
        "Let {model} become champion?",
        "model",
    ),
    Command(
        "retrain reject", "retrain", 7, "Turn a trigger or challenger down, with a reason", "X", "reject"
    ),
)


def nouns() -> dict[str, list[Command]]:
    """Return the commands by their first word, in the table's order."""
    found: dict[str, list[Command]] = {}
    for command in COMMANDS:
        found.setdefault(command.words.split()[0], []).append(command)
    return found


def named(words: str) -> Command:
    """Return the command of these words."""
    return next(command for command in COMMANDS if command.words == words)


def of_screen(number: int) -> list[Command]:
    """Return the commands of one screen."""
    return [command for command in COMMANDS if command.screen == number]
