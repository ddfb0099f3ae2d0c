"""`dltrain devices`."""

from typing import Any

from dltrain.cli.arguments import Json, echo, print_json


def devices(as_json: Json = False) -> None:
    """Show the CPU, the GPUs, what TensorFlow can use and, where it cannot, why and what to type."""
    from dltrain.engine.device import survey

    found = survey()
    if as_json:
        print_json(found)
        return
    cpu = found["cpu"]
    echo(f"cpu    {cpu['model']}, {cpu['usable_cores']} of {cpu['cores']} cores usable")
    echo(f"       instructions: {', '.join(cpu['instructions']) or 'unknown'}; oneDNN {_on(cpu['onednn'])}")
    echo(f"       faster precisions: {', '.join(cpu['precisions_that_pay'])}")
    for gpu in found["gpus"]:
        echo(
            f"{gpu['name']}  {gpu['model'] or 'unknown model'}, memory {gpu['memory'] or 'unknown'}, "
            f"compute capability {gpu['compute_capability'] or 'unknown'}, driver {gpu['driver'] or 'unknown'}"
        )
        echo(f"       faster precisions: {', '.join(gpu['precisions_that_pay'])}")
        if gpu["note"]:
            echo(f"       {gpu['note']}")
    if not found["gpus"]:
        echo(f"gpu    none: {found['trouble'] or 'no NVIDIA GPU on this machine'}")
        for line in found["messages"]:
            echo(f"       {line}")
    echo(f"tensorflow {found['tensorflow']}, keras {found['keras']}")
    echo(f"       built with {_versions(found['built_with'])}; found {_versions(found['found'])}")


def _on(flag: bool) -> str:
    return "on" if flag else "off"


def _versions(versions: dict[str, Any]) -> str:
    return ", ".join(
        f"{name.upper() if name == 'cuda' else 'cuDNN'} {value or '-'}" for name, value in versions.items()
    )
