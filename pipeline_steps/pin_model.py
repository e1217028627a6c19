"""Pin a model of the hub: the commit that its branch is at now is the one that everybody loads from now on.

Reads: the hub, or where it does not answer, its cache on this machine.
Writes: ``models/revisions/<model>.json`` (model, revision, commit). DVC keeps it as any output, so that it is asked for
once: ``dvc repro --force pin_model@<model>`` moves to the newest commit; one named as the model's ``revision`` stays.
"""

from pathlib import Path

from pipeline_steps.checkpoints.locations import HubModel
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.metrics import write_metrics
from pipeline_steps.stage.run import parser, run

_PATIENCE = 20.0  # seconds that the hub has for an answer


def pin(model: HubModel, out: Path) -> str:
    """The model's commit, written to ``out``.

    Raises:
        DataError: neither the hub nor its cache here knows the model at that revision.
    """
    commit = _commit(model)
    write_metrics(out, {"model": model.id, "revision": model.revision, "commit": commit})
    return commit


def _commit(model: HubModel) -> str:
    from huggingface_hub import HfApi, constants
    from huggingface_hub.file_download import repo_folder_name

    try:
        found = HfApi().model_info(model.id, revision=model.revision, timeout=_PATIENCE).sha
        if found:
            return found
        why = "it names no commit"
    except Exception as error:  # noqa: BLE001 - whatever a network or the hub may raise
        why = type(error).__name__
    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=model.id, repo_type="model")
    try:
        commit = (folder / "refs" / model.revision).read_text("utf-8").strip()
    except OSError:
        raise DataError(
            f"neither the hub ({why}) nor its cache on this machine ({constants.HF_HUB_CACHE}) knows {model.id} at "
            f"{model.revision}; correct its name, set location to a folder, or (gated models) run 'hf auth login'"
        ) from None
    print(f"the hub does not answer ({why}); this is the commit in its cache here", flush=True)
    return commit


def main() -> None:
    """Command line."""
    args_parser = parser(__doc__, "--out")
    for flag in ("--model", "--revision"):
        args_parser.add_argument(flag, required=True)
    args = args_parser.parse_args()
    print(f"{args.model} at {args.revision}: commit {pin(HubModel(args.model, args.revision), args.out)}")


if __name__ == "__main__":
    run(main)
