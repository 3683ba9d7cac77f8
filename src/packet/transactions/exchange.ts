import type { CommunityId } from "../community-id.ts";
import type { DocumentSink } from "../output.ts";
import type { Half } from "./document.ts";
import type { Endpoints } from "./endpoints.ts";
import { Pending } from "./pending.ts";

/** A message of an exchange: a question or an answer. */
export interface Message extends Half {
  readonly endpoints: Endpoints;
}

/** What the pairing of a protocol's questions and answers, each in a message of its own, is made of. */
export abstract class Exchange<Question extends Message, Answer extends Message = Question> {
  protected readonly sink: () => DocumentSink;
  protected readonly ids: CommunityId;
  readonly open: Pending<Question>;
  /** Questions and answers that came again. */
  repeated = 0;
  /** Messages that contradict themselves. */
  malformed = 0;

  /** `mostOpen` questions wait at a time, each for `timeoutMs` of the capture's time. */
  constructor(sink: () => DocumentSink, ids: CommunityId, mostOpen: number, timeoutMs: number) {
    this.sink = sink;
    this.ids = ids;
    this.open = new Pending(mostOpen, timeoutMs, (question, why) => this.report(question, undefined, why));
  }

  /** Takes a question, which waits for the answer with the same key. One that waits already was asked again. */
  protected ask(key: string, question: Question): void {
    if (this.open.get(key) !== undefined) this.repeated++;
    else this.open.add(key, question);
  }

  /** Takes an answer, and reports it with its question; one that was there already came again. */
  protected answer(key: string, answer: Answer): void {
    const question = this.open.take(key, answer.start.ms);
    if (question === undefined && this.open.wasAnswered(key)) this.repeated++;
    else this.report(question, answer, undefined);
  }

  /**
   * Reports a pair, a question that nothing answered (and why it was not waited for any longer), or an answer whose
   * question was not captured.
   */
  protected abstract report(question: Question | undefined, answer: Answer | undefined, why: string | undefined): void;
}
