"""Completion in bash, zsh and fish: the lines that switch it on, and how each shell asks and is answered.

The environment variables are those that Typer's scripts use, so that scripts of older versions work on.
"""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from cnncli.core.errors import ConfigError, StorageError, did_you_mean

ASKED = "_CNNCLI_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
_GOES_ON = ("=", ".", "/")  # ends of what is not yet complete: no space follows
_SCRIPTS = {
    "bash": """\
_cnncli_completion() {
    mapfile -t COMPREPLY < <(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        _CNNCLI_COMPLETE=complete_bash "$1" 2> /dev/null)
    if [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *[=./] ]]; then
        compopt -o nospace
    fi
}
complete -o default -o nosort -F _cnncli_completion cnncli
""",
    "zsh": """\
#compdef cnncli
_cnncli_completion() {
    eval "$(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _CNNCLI_COMPLETE=complete_zsh "${words[1]}" 2> /dev/null)"
}
if [ "$funcstack[1]" = "_cnncli" ]; then
    _cnncli_completion "$@"
else
    compdef _cnncli_completion cnncli
fi
""",
    "fish": """\
function _cnncli_completion
    set -l found (env _TYPER_COMPLETE_ARGS=(commandline -cp) _TYPER_COMPLETE_FISH_ACTION=get-args \\
        _CNNCLI_COMPLETE=complete_fish (commandline -cpo)[1] 2> /dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete --command cnncli --no-files --keep-order --arguments '(_cnncli_completion)'
""",
}
Found = Sequence[tuple[str, str]]
"""What can follow, in the order in which it is shown, each with a few words about it."""


def this_shell() -> str:
    """The shell that the user logs in with; raises ``ConfigError`` for another than these three."""
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise ConfigError(f"the shell cannot be told from $SHELL ('{name}'); name it: {', '.join(SHELLS)}")
    return name


def script(shell: str) -> str:
    """The lines that switch completion on in ``shell``; raises ``ConfigError`` where there is no such shell."""
    if shell not in SHELLS:
        raise ConfigError(f"there is no completion for '{shell}'; {did_you_mean(shell, SHELLS)}")
    return _SCRIPTS[shell]


def install(shell: str) -> Path:
    """Write the script where ``shell`` finds it from now on, and give its path; raises ``StorageError``."""
    text, home = script(shell), Path.home()
    path, start, lines = {
        "bash": (home / ".bash_completions" / "cnncli.sh", home / ".bashrc", "source ~/.bash_completions/cnncli.sh"),
        "zsh": (home / ".zfunc" / "_cnncli", home / ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
        "fish": (home / ".config" / "fish" / "completions" / "cnncli.fish", None, ""),
    }[shell]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if start is not None:
            before = start.read_text(encoding="utf-8", errors="surrogateescape") if start.is_file() else ""
            if lines not in before:
                start.write_text(f"{before.rstrip()}\n\n{lines}\n".lstrip(), encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise StorageError(
            f"{error.filename or path}: cannot be written ({error.strerror}); use cnncli --show-completion {shell}"
        ) from error
    return path


def asked(environment: Mapping[str, str]) -> tuple[str, list[str]]:
    """The shell that asks, and the words up to the cursor; the last one is what is being typed, perhaps nothing."""
    shell = environment[ASKED].rpartition("_")[2]
    if shell == "bash" and "COMP_LINE" not in environment:  # a script of Typer's own
        words, number = _split(environment.get("COMP_WORDS", ""))[0], int(environment.get("COMP_CWORD", "0"))
        return shell, _joined([*words, ""][1 : number + 1])
    line = environment.get("COMP_LINE" if shell == "bash" else "_TYPER_COMPLETE_ARGS", "")
    words, ended = _split(line)
    return shell, [*words[1:], *([""] if ended else [])]


def _split(line: str) -> tuple[list[str], bool]:
    """The words of an unfinished command line, and whether the last one is over."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:  # within quotes
        words.append(lexer.token)
        return words, False
    return words, line[-1:].isspace()


def _joined(words: list[str]) -> list[str]:
    """Words that bash has taken apart at '=': KEY, =, VALUE."""
    joined: list[str] = []
    for word in words:
        if joined and (word == "=" or joined[-1].endswith("=")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def answer(shell: str, found: Found, typed: str, environment: Mapping[str, str]) -> str:
    """What ``shell`` is told of what can follow."""
    if shell == "zsh":
        return _for_zsh(found)
    if shell == "fish":
        return "\n".join(f"{word}\t{' '.join(text.split())}" if text else word for word, text in found)
    breaks = environment.get("COMP_WORDBREAKS", "=:")  # bash replaces only what comes after the last of these
    kept = max((typed.rfind(sign) + 1 for sign in "=:" if sign in breaks), default=0)
    return "\n".join(re.sub(r"([\s'\"\\$&;()<>|*?#`!])", r"\\\1", word[kept:]) for word, _ in found)


def _for_zsh(found: Found) -> str:
    if not found:
        return "_files"
    parts = []
    for name, option in (("whole", ""), ("begun", " -S ''")):
        rows = [row for row in found if row[0].endswith(_GOES_ON) == (name == "begun")]
        texts = [
            word.replace("\\", "\\\\").replace(":", "\\:") + (f":{' '.join(text.split())}" if text else "")
            for word, text in rows
        ]
        if rows:
            parts.append(f"local -a {name}; {name}=({' '.join(map(shlex.quote, texts))}); ")
            parts.append(f"_describe -V cnncli {name}{option}; ")
    return "".join(parts)
