import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Control, kernelOf, TARGET, type Host, type Kernel } from "./control";
import type { FromKernel } from "./protocol";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function setting(manager?: unknown) {
  const sent: unknown[] = [], heard: FromKernel[] = [];
  const host: Host = { get: () => undefined, on: () => undefined, off: () => undefined, send: (content) => void sent.push(content), widget_manager: manager };
  const control = new Control(host, () => false, () => undefined, (message) => { heard.push(message); control.received(message); });
  return { control, sent, heard };
}

function kernel(status = "busy") {
  const opened: unknown[] = [], sent: unknown[] = [];
  const comm = { open: (data: unknown) => void opened.push(data), send: (data: unknown) => void sent.push(data), onMsg: undefined as ((msg: { content: { data: unknown } }) => void) | undefined };
  const handle: Kernel & { interrupted: number } = { status, interrupted: 0, createComm: (target) => { opened.push(target); return comm; }, interrupt() { this.interrupted++; return Promise.resolve(); } };
  return { handle, comm, opened, sent };
}

test("an answer within 300 ms is enough: no second means is tried", () => {
  const { handle, opened } = kernel(), { control, sent } = setting({ kernel: handle });
  control.command({ t: "cancel" });
  vi.advanceTimersByTime(200);
  control.received({ t: "ack", of: "cancel" });
  vi.advanceTimersByTime(5000);
  expect([sent, opened, control.pending?.stage]).toEqual([[{ t: "cancel" }], [], "heard"]);
});

test("without an answer the page opens its own comm, and takes the answer from it", () => {
  const { handle, comm, opened, sent } = kernel(), { control, heard } = setting({ kernel: handle });
  control.command({ t: "cancel" });
  vi.advanceTimersByTime(350);
  expect(opened).toEqual([TARGET, { t: "cancel" }]);
  comm.onMsg!({ content: { data: { t: "ack", of: "cancel" } } });
  expect([heard, control.pending?.stage]).toEqual([[{ t: "ack", of: "cancel" }], "heard"]);
  control.command({ t: "pause" });
  vi.advanceTimersByTime(350);
  expect(sent).toEqual([{ t: "pause" }]);
});

test("after a second of silence the interrupt is offered, and it goes to the kernel", () => {
  const { handle } = kernel(), { control } = setting({ kernel: handle });
  control.command({ t: "cancel" });
  vi.advanceTimersByTime(1100);
  expect([control.pending, control.canInterrupt]).toEqual([{ command: "cancel", stage: "silent" }, true]);
  control.interrupt();
  expect([handle.interrupted, control.pending]).toEqual([1, { command: "cancel", stage: "heard" }]);
});

test("without a handle on the kernel there is nothing to interrupt, and nothing breaks", () => {
  const { control } = setting();
  control.command({ t: "cancel" });
  vi.advanceTimersByTime(2000);
  expect([control.pending?.stage, control.canInterrupt]).toEqual(["silent", false]);
});

test("a kernel is gone when the page says so, when it is dead, or when it is free and silent; not while it is busy", () => {
  const gone = (manager: unknown) => {
    const { control } = setting(manager);
    control.hello();
    vi.advanceTimersByTime(20_000);
    control.dispose();
    return control.gone;
  };
  expect([gone({ kernel: null }), gone({ kernel: { status: "dead" } }), gone({ kernel: { status: "idle" } }), gone(undefined), gone({ kernel: { status: "busy" } })]).toEqual([true, true, true, true, false]);
});

test("a restart ends the widget's kernel at once, though a new one comes", () => {
  let slot: (sender: unknown, status: unknown) => void = () => undefined;
  const signal = { connect: (f: typeof slot) => void (slot = f), disconnect: () => void (slot = () => undefined) };
  const { control } = setting({ kernel: { status: "idle", statusChanged: signal } });
  control.hello();
  control.received({ t: "ack", of: "hello" });
  slot(null, "busy");
  expect(control.gone).toBe(false);
  slot(null, "restarting");
  expect(control.gone).toBe(true);
  slot(null, "idle");
  control.check();
  expect(control.gone).toBe(true);
});

test("any word from the kernel brings it back", () => {
  const { control } = setting();
  control.hello();
  vi.advanceTimersByTime(3000);
  expect(control.gone).toBe(true);
  control.received({ t: "ev", seq: 0, n: 0 });
  expect(control.gone).toBe(false);
});

test("a wish to run that a free kernel does not take is dropped", () => {
  const { control } = setting({ kernel: { status: "idle" } });
  control.command({ t: "run", targets: [], force: false });
  vi.advanceTimersByTime(1500);
  expect(control.pending?.stage).toBe("silent");
  vi.advanceTimersByTime(5000);
  expect(control.pending).toBeNull();
});

test("the kernel is found in the managers that pages have", () => {
  const handle = { status: "idle" };
  expect([kernelOf({ kernel: handle }), kernelOf({ context: { sessionContext: { session: { kernel: handle } } } }), kernelOf({ context: { sessionContext: { session: null } } }), kernelOf({}), kernelOf(undefined)]).toEqual([handle, handle, null, undefined, undefined]);
});
