// Commands to the kernel, by the first way that answers: the widget's own comm, a comm of the page, an interrupt.

import type { FromKernel, ToKernel } from "./protocol";

/** What anywidget hands over; the manager is whatever the page has. */
export interface Host {
  get(name: string): unknown;
  on(name: string, call: (...args: never[]) => void): void;
  off(name: string, call: (...args: never[]) => void): void;
  send(content: unknown): void;
  widget_manager?: unknown;
}

interface PageComm { open(data: unknown): unknown; send(data: unknown): unknown; onMsg?: (msg: { content: { data: unknown } }) => void; onClose?: () => void }
export interface Kernel {
  status?: string;
  isDisposed?: boolean;
  createComm?(target: string): PageComm;
  interrupt?(): Promise<unknown>;
  statusChanged?: Signal;
  disposed?: Signal;
}

/** A signal of the page's kernel handle. */
interface Signal { connect(slot: Slot): unknown; disconnect(slot: Slot): unknown }
type Slot = (sender: unknown, status: unknown) => void;
const ENDS: ReadonlySet<unknown> = new Set(["restarting", "autorestarting", "dead", "terminating"]);

type Command = "cancel" | "pause" | "resume" | "run";
/** sent: waiting for an answer; heard: the kernel knows; silent: no answer, so the last means is offered. */
export interface Pending { command: Command; stage: "sent" | "heard" | "silent" }

export const TARGET = "dagbook.control";
const ACK = 300, PATIENCE = 1000, HELLO = 2500, GIVE_UP = 5000;

/** The page's handle on the kernel: undefined when the page has none to give, null when there is no kernel. */
export function kernelOf(manager: unknown): Kernel | null | undefined {
  const m = manager as { kernel?: Kernel | null; context?: { sessionContext?: { session?: { kernel?: Kernel | null } | null } } } | undefined;
  try {
    if (m && "kernel" in m) return m.kernel ?? null;
    const context = m?.context?.sessionContext;
    return context ? context.session?.kernel ?? null : undefined;
  } catch {
    return undefined;
  }
}

const dead = (kernel: Kernel) => kernel.isDisposed === true || kernel.status === "dead";

export class Control {
  pending: Pending | null = null;
  private timers: ReturnType<typeof setTimeout>[] = [];
  private comm: PageComm | null = null;
  private answered = false;
  private watch: ReturnType<typeof setTimeout> | undefined;

  constructor(
    public host: Host,
    private readonly disconnected: () => boolean,
    private readonly changed: () => void,
    private readonly heard: (message: FromKernel) => void,
  ) {}

  get kernel(): Kernel | null | undefined {
    return kernelOf(this.host.widget_manager);
  }

  /** True when nobody is there to answer: a saved page, a dead or restarted kernel. */
  get gone(): boolean {
    return this.lost;
  }
  private lost = false;

  private setLost(lost: boolean): void {
    if (lost === this.lost) return;
    this.lost = lost;
    if (lost) this.settle();
    this.changed();
  }

  hello(): void {
    this.heardOf = this.kernel ?? null;
    this.heardOf?.statusChanged?.connect(this.statusChanged);
    this.heardOf?.disposed?.connect(this.ends);
    this.send({ t: "hello" });
    this.check();
  }

  private heardOf: Kernel | null = null;
  private ended = false;

  private statusChanged = (_: unknown, status: unknown): void => {
    if (ENDS.has(status)) this.ends();
  };

  /** The kernel that knew this widget is no more; one that comes in its place does not know it. */
  private ends = (): void => {
    this.ended = true;
    this.answered = false;
    this.comm = null;
    this.check();
  };

  /** Looks whether there is a kernel: by what the page says, else by whether it answers. */
  check = (): void => {
    clearTimeout(this.watch);
    const kernel = this.kernel;
    if (this.ended || this.disconnected() || kernel === null || (kernel && dead(kernel))) return this.setLost(true);
    if (this.answered) return this.setLost(false);
    this.watch = setTimeout(() => {
      if (this.answered) return;
      // A busy kernel answers when its cell has ended; one that has nothing to do and is silent has forgotten the widget.
      if (this.kernel?.status === "busy") this.check();
      else this.setLost(true);
    }, HELLO);
  };

  /** Any word from the kernel. */
  received(message: FromKernel): void {
    this.answered = true;
    this.ended = false;
    if (this.lost && !this.disconnected()) this.setLost(false);
    if (message.t === "ack" && this.pending?.command === message.of) {
      this.pending = { command: this.pending.command, stage: "heard" };
      this.stopTimers();
      this.changed();
    }
  }

  /** An event has shown that the command has taken effect, or that there is nothing left for it to do. */
  settle(): void {
    this.stopTimers();
    if (!this.pending) return;
    this.pending = null;
    this.changed();
  }

  send(message: ToKernel): void {
    try {
      this.host.send(message);
    } catch {
      this.setLost(true);
    }
  }

  /** Sends a command, and goes on to stronger means while there is no answer. */
  command(message: Extract<ToKernel, { t: Command }>): void {
    this.stopTimers();
    this.pending = { command: message.t, stage: "sent" };
    this.send(message);
    this.timers = [
      setTimeout(() => this.byPage(message), ACK),
      setTimeout(() => {
        this.pending = { command: message.t, stage: "silent" };
        this.changed();
      }, PATIENCE),
      setTimeout(() => {
        // A kernel that is free and says nothing does not take this wish.
        if (message.t === "run" && this.kernel?.status !== "busy") this.settle();
      }, GIVE_UP),
    ];
    this.changed();
  }

  private byPage(message: ToKernel): void {
    const kernel = this.kernel;
    if (!kernel?.createComm) return;
    try {
      if (this.comm) return void this.comm.send(message);
      this.comm = kernel.createComm(TARGET);
      this.comm.onMsg = (msg) => this.heard(msg.content.data as FromKernel);
      this.comm.onClose = () => (this.comm = null);
      this.comm.open(message);
    } catch {
      this.comm = null;
    }
  }

  get canInterrupt(): boolean {
    return typeof this.kernel?.interrupt === "function";
  }

  interrupt(): void {
    void this.kernel?.interrupt?.().catch(() => undefined);
    this.pending = { command: "cancel", stage: "heard" };
    this.changed();
  }

  private stopTimers(): void {
    this.timers.forEach(clearTimeout);
    this.timers = [];
  }

  dispose(): void {
    this.stopTimers();
    clearTimeout(this.watch);
    this.heardOf?.statusChanged?.disconnect(this.statusChanged);
    this.heardOf?.disposed?.disconnect(this.ends);
  }
}
