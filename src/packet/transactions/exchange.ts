import type { CommunityId } from "../community-id.ts";
import type { DocumentSink } from "../output.ts";
import { Pending } from "./pending.ts";

/** What the pairing of a protocol's questions and answers begins with. */
export abstract class Exchange<Question extends { readonly start: { readonly ms: number } }> {
  protected readonly sink: () => DocumentSink;
  protected readonly ids: CommunityId;
  readonly open: Pending<Question>;
  /** Questions and answers that came again. */
  repeated = 0;

  /** `mostOpen` questions wait at a time, each for `timeoutMs` of the capture's time. */
  constructor(sink: () => DocumentSink, ids: CommunityId, mostOpen: number, timeoutMs: number) {
    this.sink = sink;
    this.ids = ids;
    this.open = new Pending(mostOpen, timeoutMs, (question, why) => {
      this.giveUp(question, why);
    });
  }

  /** Reports a question that nothing answered, and why it was not waited for any longer. */
  protected abstract giveUp(question: Question, why: string): void;
}
