// SPDX-License-Identifier: Apache-2.0
// Somebody who serves targets to connections that it is given: this process, or one of its own.
import type { Arrival } from '@lunkit/target-driver-iscsi'
import type { Reply } from '../control/reply.ts'
import type { Report } from '../signals.ts'
import type { ServedLun } from './share.ts'

export interface Serving {
  /** Null: this one. */
  readonly pid: number | null
  /** Whether its targets are served now. */
  readonly serves: boolean
  /** Resolves when connections are served. Rejects with OperatorError. */
  open(): Promise<readonly ServedLun[]>
  /** May be called from the start on: until targets are served, connections wait. */
  give(arrival: Arrival): void
  report(): Promise<readonly Report[]>
  /** A control line for one of its targets. Never rejects. */
  obey(target: string, line: string): Promise<Reply>
  /** SIGUSR2. */
  look(): void
  close(graceMs: number): Promise<void>
}
