// SPDX-License-Identifier: Apache-2.0
// One request to a handler, pooled: the message, its data, and what the handler said.
import type { StoreIo, Task } from '@lunkit/target-api'
import { EXECUTE, REQUEST } from './protocol.ts'

export const HEADER = REQUEST.length
const NONE: readonly Buffer[] = []

export class Request {
  /** Header and body; whoever asks fills the body, whose last eight bytes are the place of its data in shared memory, if they go there. */
  readonly frame = Buffer.alloc(HEADER + EXECUTE.length)
  /** Of blocks: what is to be finished, which may be a filter's own and not that of its task. */
  io: StoreIo = null as unknown as StoreIo
  /** Of commands. */
  task: Task = null as unknown as Task
  kind = 0
  flags = 0
  session = 0
  /** Bytes of the body. */
  bodyLength = 0
  /** Data for the handler. */
  out: readonly Buffer[] = NONE
  outLength = 0
  /** Most bytes of data that it may answer with. */
  longestIn = 0
  /** For whoever asks. */
  note = 0

  // The link's.
  tag = 0
  /** Where its data are in the shared memory, or -1. */
  place = -1
  /** How many requests have been written to the connection when this one has. */
  ordinal = 0
  /** When it was sent, by performance.now(). */
  began = 0
  /** When it was given up, or 0. */
  abortedAt = 0
  /** How often it was sent. */
  tries = 0

  // The answer.
  status = 0
  /** Bytes of data-in, or bytes that were done. */
  count = 0

  /** Back to one that nobody has filled. */
  clear(): void {
    this.io = null as unknown as StoreIo
    this.task = null as unknown as Task
    this.flags = 0
    this.session = 0
    this.out = NONE
    this.outLength = 0
    this.longestIn = 0
    this.place = -1
    this.abortedAt = 0
    this.tries = 0
  }
}
