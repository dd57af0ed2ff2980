"""The matrix as JSON, for programs: the content of the page, without the evidence."""

import json
import os
from pathlib import Path
from typing import Any

from harness.matrix.model import Column, Matrix, Row

FORMAT = 1


def write(matrix: Matrix, path: Path) -> None:
    """Write the matrix to `path`; folders are relative to it."""
    record = {
        "format": FORMAT,
        "verdict": matrix.verdict,
        "servers": [_server(column, path.parent) for column in matrix.columns],
        "cases": [_row(row) for row in matrix.rows],
        "tables": {table.title: table.rows for table in matrix.tables},
    }
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")


def _server(column: Column, place: Path) -> dict[str, Any]:
    run = column.run
    facts = {"letter": column.letter, "asked": column.asked, "trouble": column.trouble}
    if run is None:
        return facts | {"name": None, "version": None, "run": None}
    return facts | {
        "name": run.server.name,
        "version": run.server.version,
        "run": os.path.relpath(run.folder.resolve(), place.resolve()),
        "started": run.started.isoformat(),
        "duration": run.duration,
        "counts": run.counts,
        "exit_status": run.exit_status,
    }


def _row(row: Row) -> dict[str, Any]:
    names = ("title", "suite", "ref", "level")
    return {
        "case": row.case.full_id,
        **{name: getattr(row.case, name) for name in names},
        "kind": row.kind,
        "cells": [
            cell and {"outcome": cell.outcome, "duration": cell.duration, "why": cell.why}
            for cell in row.cells
        ],
    }
