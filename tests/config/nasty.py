"""What a config should never hold: values and keys as YAML text, and damage to a whole file."""

from collections.abc import Callable
from random import Random

NUMBERS = [
    "0", "1", "-1", "2", "7", "100", str(10**9), str(2**31), str(2**63 - 1), str(2**63), "-" + str(2**63), str(10**30),
    "1" + "0" * 400, "9" * 5000, "010", "0.5", "-0.5", "-0.0", "1.0", "1.5", "1e-320", "5e-324", "1e-45", "1e38",
    "1e308", "1e309", "-1e308", ".inf", "-.inf", ".nan", "1e99999", ".5", "1.", "[1, 2]", "[0.5, 0.5]",
    "[1e308, 1e308]", "[0, 0]", "[-1, 1]", "[2]", "[0]", "true", "null",
]  # fmt: skip

VALUES = [
    *NUMBERS, "~", "''", "false", "yes", "0x10", "0o7", "1_000", "NaN", "Infinity",
    # text
    "a", "name", "../up", "/nowhere", ".", "..", "~/x", "''''", "'é ü 漢字 🙂'", '"\\0"', '"a\\0b"', '"\\ud800"',
    '"\\uDC80x"', '"\\e[31m"', '"a\\nb"', '"\\r"', '"\\t"', '"\\u202e"', "x" * 300, "x" * 5000,
    "'" + "a/" * 3000 + "'", "'%s{}$HOME'", "'!!int 3'", "relu", "adam", "mlp", "conv", "digits", "iris", "auto",
    "none", "balanced", "c.yaml", "base.yaml", "my_net.py", "/dev/null", "/etc/passwd", "rows.csv", "photos",
    "photos.csv", "words.txt", "kind", "even", "a,b", "*", "**/*", "[", "(", "loss", "val/loss", "train/loss", "cuda",
    "cuda:99", "mps",
    # lists
    "[]", "[null]", "[0]", "[-1]", "[1, 2]", "[1, 2, 3]", "[1.5]", "['']", "[a]", "[[]]", "[[1], [2]]", "[{}]",
    "[{name: 3}]", "[{name: relu}]", "[{name: [a]}]", "[" + "1, " * 3000 + "1]", "[" * 40 + "]" * 40,
    "[" * 300 + "]" * 300, "[1, a, null, {}]", "[true]",
    # mappings
    "{}", "{name: null}", "{name: 3}", "{name: ''}", "{name: mlp}", "{name: relu}", "{name: adam, lr: 1}",
    "{name: [a]}", "{name: {name: a}}", "{name: constant}", "{name: random_crop}", "{'': 1}", "{null: 1}", "{1: 2}",
    "{a: {b: {c: {d: e}}}}", "{name: x, name: y}", '{"\\0": 1}', "{mean: [0.5], std: [0.5]}", "{mean: [], std: []}",
    "{self: 1}", "{__class__: x}", "{model_config: {}}", "{patience: 1}",
    # YAML's own
    "2024-02-30", "2024-01-01", "2024-01-01T00:00:00Z", "12:30:00", "!!binary aGk=", "!!python/name:os.system",
    "!!set {a}", "!!float 3", "!!str 3", "!!int a", "!!int 3.5", "!!bool maybe", "!!null x", "!!timestamp 2024-99-99",
    "! 3", "!custom {a: 1}", "&a [*a]", "&a {a: *a}", "*nothing", "[&b x, *b, *b]", "{<<: {a: 1}}", "{? [a] : b}", "=",
    "@a", "`a", "%a", "a: b: c", "- a", "{", "]", "'", "\"", "&", "*", "|", ">", "?",
]  # fmt: skip

KEYS = [
    "nmae", "names", "x", "''", "null", "1", "1.5", "true", "[a]", "{a: b}", '"\\0"', '"\\ud800"', "'a.b'", "'a b'",
    "'0'", "<<", "é", "'漢字'", "x" * 300, "NAME", "name", "lr", "extends", "plugins", "finetune", "augment", "layers",
    "normalize", "class_weights", "sampler", "root", "self", "args", "kwargs", "__init__", "model_fields",
    "model_config", "model_extra", "copy", "json", "schema", "*a", "&a b", "!x y", "? a", '"a\\nb"', "factory", "spec",
    "params", "weight", "reduction", "betas", "hidden", "activation", "image_size", "cls",
]  # fmt: skip


def _inserted(*texts: bytes) -> Callable[[Random, str], bytes]:
    """Damage that puts one of ``texts`` at a random place."""

    def damage(random: Random, text: str) -> bytes:
        raw = text.encode()
        place = random.randrange(len(raw) + 1)
        return raw[:place] + random.choice(texts) + raw[place:]

    return damage


def _cut(random: Random, text: str) -> bytes:
    return text.encode()[: random.randrange(len(text) + 1)]


def _flipped(random: Random, text: str) -> bytes:
    raw = bytearray(text.encode())
    for _ in range(random.randrange(1, 6)):
        raw[random.randrange(len(raw))] = random.randrange(256)
    return bytes(raw)


def _shuffled(random: Random, text: str) -> bytes:
    lines = text.splitlines()
    random.shuffle(lines)
    return "\n".join(" " * random.choice((0, 0, 0, 1, 2)) + line for line in lines).encode()


def _bomb(random: Random, text: str) -> bytes:
    levels = "".join(f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]\n" for i in range(1, random.randrange(2, 12)))
    return f"b0: &b0 [x]\n{levels}{text}".encode()


FILE_DAMAGE: list[Callable[[Random, str], bytes]] = [
    _inserted(b"\t", b"\0", b"\r", b"\n", b"\n\t", b"\x1b", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b" ", b":", b"'"),
    _inserted(b"\n---\n", b"\n...\n", b"\n--- a\n...\n", b"%YAML 1.1\n---\n", b"\n%TAG ! x\n", b"\xef\xbb\xbf"),
    _inserted(b"[" * 2000, b"{a: " * 2000, b"- " * 2000, b"\n" + b"? " * 2000, b"!" * 2000, b"x" * 100_000),
    _inserted(b"9" * 6000, b"\n2024-02-30: 1\n", b"\n? 2024-02-30\n", b"\xff", b"\xed\xa0\x80", b"\xc3"),
    _inserted(b"".join(b"\nk%d: %d" % (i, i) for i in range(3000)) + b"\n"),
    lambda random, text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
    lambda random, text: text.encode("utf-16" if random.random() < 0.5 else "utf-32"),
    lambda random, text: b"" if random.random() < 0.5 else text.encode() * 2,
    _cut,
    _flipped,
    _flipped,
    _shuffled,
    _bomb,
]  # fmt: skip
