// The way from a node to its cell, where the page lets a widget find it.

interface LabNotebook { widgets?: { model?: { id?: string }; node?: HTMLElement }[]; activeCellIndex?: number; scrollToItem?(index: number): unknown; scrollToCell?(cell: unknown): unknown }
interface Lab { shell?: { currentWidget?: { content?: LabNotebook } | null } }

const notebook = (): LabNotebook | undefined => (window as { jupyterapp?: Lab }).jupyterapp?.shell?.currentWidget?.content;

function element(id: string): HTMLElement | null {
  return document.querySelector<HTMLElement>(`[data-cell-id="${CSS.escape(id)}"]`) ?? document.getElementById(`cell-id=${id}`);
}

export function canGoTo(id: string | undefined): boolean {
  return Boolean(id && (notebook()?.widgets?.some((w) => w.model?.id === id) || element(id)));
}

export function goTo(id: string): void {
  const book = notebook();
  const index = book?.widgets?.findIndex((w) => w.model?.id === id) ?? -1;
  if (book && index >= 0) {
    book.activeCellIndex = index;
    if (book.scrollToCell) void book.scrollToCell(book.widgets![index]);
    else book.widgets![index].node?.scrollIntoView({ block: "center" });
    return;
  }
  element(id)?.scrollIntoView({ block: "center" });
}
