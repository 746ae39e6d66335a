// SPDX-License-Identifier: Apache-2.0
// What a session tells of itself while it lives.
import type { InitiatorError } from '@lunkit/initiator-core'
import type { Portal } from './portal.ts'

export type SessionEvent =
  | { readonly type: 'connected'; readonly portal: Portal }
  | { readonly type: 'redirected'; readonly portal: Portal; readonly permanent: boolean }
  | { readonly type: 'connection-added'; readonly cid: number; readonly portal: Portal }
  /** A further connection could not be had; the session goes on without it. */
  | { readonly type: 'connection-refused'; readonly cid: number; readonly error: InitiatorError }
  /** One connection is lost, and its tasks are moved to others (ErrorRecoveryLevel 2). */
  | {
      readonly type: 'connection-lost'
      readonly cid: number
      readonly error: InitiatorError
      readonly inFlight: number
    }
  | {
      readonly type: 'connection-recovered'
      readonly cid: number
      readonly reassigned: number
      readonly retried: number
    }
  | { readonly type: 'connection-closed'; readonly cid: number }
  /** The session is lost, with all its connections. */
  | { readonly type: 'lost'; readonly error: InitiatorError; readonly inFlight: number }
  | {
      readonly type: 'reconnecting'
      readonly attempt: number
      readonly attempts: number
      readonly delayMs: number
    }
  | {
      readonly type: 'reconnected'
      readonly portal: Portal
      readonly attempt: number
      readonly repeated: number
    }
  | { readonly type: 'gave-up'; readonly error: InitiatorError }
  | {
      readonly type: 'async'
      readonly event: number
      readonly text: string
      /** Eight bytes of the unit that it is about, where it is about one. */
      readonly lun: Uint8Array
      /** Sense data of a SCSI event; else what the target sent along. */
      readonly sense: Uint8Array
    }
  | { readonly type: 'closed' }
