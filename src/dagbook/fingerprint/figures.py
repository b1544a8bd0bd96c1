"""The content of a matplotlib figure: what it draws, to the last bit, on paper that only takes notes.

A pickled figure differs between processes, and pixels would hide small differences; the drawing commands do neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from functools import cache
from typing import Any

from dagbook.fingerprint.arrays import ndarray
from dagbook.fingerprint.plain import SCALARS, Node, Unknown

_COMMANDS = (
    "draw_path",
    "draw_markers",
    "draw_path_collection",
    "draw_quad_mesh",
    "draw_gouraud_triangles",
    "draw_image",
    "draw_text",
    "draw_tex",
)
_TITLES = ("_suptitle", "_supxlabel", "_supylabel")


def figure_types() -> Mapping[type, Callable[[Any], Node]]:
    import matplotlib.artist
    import matplotlib.axes
    import matplotlib.figure

    return {
        matplotlib.figure.Figure: _figure,
        matplotlib.axes.Axes: _axes,
        matplotlib.artist.Artist: _part_of_figure,
    }


def _axes(axes: Any) -> Node:
    figure = axes.get_figure()
    return "Axes", figure.axes.index(axes), [figure]


def _part_of_figure(_: Any) -> Node:
    raise Unknown  # a line or a label has no content apart from its figure


def _figure(figure: Any) -> Node:
    paper = _notes_class()(figure)
    with _unmoved(figure) as moved:
        figure.draw(paper)
    artists = [(type(each).__name__, each.get_visible(), each.get_label(), each.get_gid()) for each in figure.findobj()]
    size = (figure.get_figwidth(), figure.get_figheight(), figure.get_dpi())
    return "Figure", None, [_told(size), _told(artists), moved, *paper.notes]


@contextmanager
def _unmoved(figure: Any) -> Iterator[list[object]]:
    """Draw each axes in one fixed place where a layout engine is at work, which moves them a little every time.

    Gives what tells the places: the engine with its settings, the grid, and the titles that it moves too.
    """
    engine = figure.get_layout_engine()
    if engine is None or type(engine).__name__ == "PlaceHolderLayoutEngine":
        yield []
        return
    if figure.subfigs:
        raise Unknown
    spots = [axes for axes in figure.axes if axes.get_subplotspec() or getattr(axes, "_colorbar", None)]
    kept = [(axes.get_position(True), axes.get_position(False), axes.get_in_layout()) for axes in spots]
    titles = [text for name in _TITLES if (text := getattr(figure, name, None)) is not None and text.get_visible()]
    try:
        figure.set_layout_engine("none")
        for axes in spots:
            axes.set_position([0.1, 0.1, 0.8, 0.8])
        for title in titles:
            title.set_visible(False)
        yield [type(engine).__name__, _told(engine.get()), *map(_spot, spots), *map(_wording, titles)]
    finally:
        for title in titles:
            title.set_visible(True)
        for axes, (original, active, in_layout) in zip(spots, kept, strict=True):
            axes.set_position(original, which="original")
            axes.set_position(active, which="active")
            axes.set_in_layout(in_layout)
        figure.set_layout_engine(engine)


def _spot(axes: Any) -> object:
    place = axes.get_subplotspec()
    if place is None:
        return None
    grid = place.get_gridspec()
    return [place.get_geometry(), _told(grid.get_width_ratios()), _told(grid.get_height_ratios())]


def _wording(title: Any) -> object:
    return [title.get_text(), str(title.get_fontproperties()), _told(title.get_color()), title.get_rotation()]


@cache
def _notes_class() -> Any:
    from matplotlib.backend_bases import RendererBase

    class Notes(RendererBase):
        """A renderer that writes down what it is told to draw."""

        def __init__(self, figure: Any) -> None:
            super().__init__()
            self._figure = figure
            self.notes: list[object] = []

        def get_canvas_width_height(self) -> tuple[float, float]:
            return self._figure.bbox.width, self._figure.bbox.height

        def points_to_pixels(self, points: Any) -> Any:
            return points * self._figure.dpi / 72

        def option_scale_image(self) -> bool:
            return True  # so that images come as they are, not as they look at this size

        def option_image_nocomposite(self) -> bool:
            return True

    def command(name: str) -> Callable[..., None]:
        def note(self: Any, *arguments: Any, **named: Any) -> None:
            self.notes.append([name, _told(arguments), _told(named)])

        return note

    for name in _COMMANDS:
        setattr(Notes, name, command(name))
    return Notes


def _told(value: Any) -> object:
    """An argument of a drawing command, as it is now, without the objects that it belongs to."""
    import numpy as np
    from matplotlib import artist, backend_bases, font_manager, path, transforms

    if id(type(value)) in SCALARS:
        return value
    if isinstance(value, (list, tuple)):
        return [_told(each) for each in value]
    if isinstance(value, dict):
        return [[_told(key), _told(each)] for key, each in value.items()]
    if isinstance(value, np.ndarray):
        return list(ndarray(np.ma.filled(value, np.nan) if isinstance(value, np.ma.MaskedArray) else value))
    if isinstance(value, np.generic):
        return _told(value.item())
    if isinstance(value, Enum):
        return _told(value.value)
    if isinstance(value, path.Path):
        return [_told(value.vertices), _told(value.codes)]
    if isinstance(value, transforms.TransformedPath):
        return _told(value.get_transformed_path_and_affine())
    if isinstance(value, transforms.BboxBase):
        return _told(value.extents)
    if isinstance(value, transforms.Transform):
        return _told(value.get_matrix())
    if isinstance(value, backend_bases.GraphicsContextBase):
        return _told(vars(value))
    if isinstance(value, font_manager.FontProperties):
        return str(value)
    if isinstance(value, artist.Artist):
        return type(value).__name__
    raise Unknown
