// SPDX-License-Identifier: Apache-2.0
// What a session tells of itself while it lives.
import type { InitiatorError } from '@lunkit/initiator-core'
import type { Portal } from './portal.ts'

export type SessionEvent =
  | { readonly type: 'connected'; readonly portal: Portal }
  | { readonly type: 'redirected'; readonly portal: Portal; readonly permanent: boolean }
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
      readonly sense: Uint8Array
    }
  | { readonly type: 'closed' }
