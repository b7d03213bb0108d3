"""The pictures of a set that is refused as a whole: what can still be said of its files."""

import os
from pathlib import Path

from cnncli.config.sections import DatasetConfig
from cnncli.core.errors import DataError
from cnncli.curate.findings import arguments_of
from cnncli.data.find import find_data
from cnncli.data.folders import ignored
from cnncli.data.kinds import has_picture_extension, is_picture
from cnncli.data.listed_files import find_files
from cnncli.data.names import nfc
from cnncli.data.picture_table import column_name
from cnncli.data.table_file import read_texts

_LOOKED_AT = 20  # rows that tell whether a column holds files


def below(root: Path) -> list[tuple[Path, str]]:
    """Every picture below a folder that can be listed, with the name of its own folder."""
    found = []
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if ignored(name) is None)
        for name in sorted(names):
            path = os.path.join(folder, name)
            if ignored(name) is None and is_picture(name, path):
                found.append((Path(path), nfc(os.path.basename(folder))))
    return found


def of_table(config: DatasetConfig) -> list[Path]:
    """The files of a table of pictures, whatever its other columns hold; none where no column is of files.

    Raises ``DataError`` where neither the table nor the folder is there.
    """
    args = arguments_of(config)
    table = find_data(args["path"])
    folder = table.parent if args["root"] is None else find_data(args["root"], "folder")
    try:
        frame = read_texts(table, args["header"], args["delimiter"], encoding=args["encoding"])
        name = column_name(frame, args["path_column"], table.name)
    except DataError:  # which is what the set was refused for
        return []
    if name not in frame.columns:
        head = frame.head(_LOOKED_AT)
        files = [known for known in head.columns if all(has_picture_extension(cell.strip()) for cell in head[known])]
        if len(files) != 1:
            return []
        name = files[0]
    cells = [cell.strip() for cell in frame[name] if cell.strip()]
    return find_files(list(dict.fromkeys(cells)), folder, table.name).paths
