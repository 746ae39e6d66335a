// SPDX-License-Identifier: Apache-2.0
// What happens in a target that somebody may want to know: typed events, for logs and for the library face.

/** One observer per engine. Never called in the road of a good command, but for slow ones where that is asked for. MUST NOT throw. */
export type Observer = (event: TargetEvent) => void

export type TargetEvent =
  | {
      readonly type: 'session-opened'
      readonly target: string
      readonly initiator: string
      readonly address: string
      readonly kind: 'normal' | 'discovery'
    }
  | {
      readonly type: 'session-closed'
      readonly target: string
      readonly initiator: string
      readonly address: string
      /** `access`: by new rules it may not be there any more. */
      readonly cause: 'logout' | 'lost' | 'replaced' | 'fault' | 'stopped' | 'access'
    }
  | {
      /** One of several connections has ended, and its session goes on. */
      readonly type: 'connection-closed'
      readonly target: string
      readonly initiator: string
      readonly address: string
      /** The transport's number of it. */
      readonly cid: number
      readonly cause: 'logout' | 'lost' | 'replaced' | 'fault' | 'stopped' | 'access'
    }
  | {
      readonly type: 'login-failed'
      readonly target: string
      readonly initiator: string
      readonly address: string
      readonly reason: string
    }
  | {
      /** A login was sent to other addresses. */
      readonly type: 'login-redirected'
      readonly target: string
      readonly initiator: string
      readonly address: string
      readonly to: readonly string[]
      readonly permanent: boolean
    }
  | {
      /**
       * A peer broke the protocol: `pdu` is its header in words, `outcome` what was done about it: the PDU refused, the
       * connection closed, or the command failed with sense.
       */
      readonly type: 'peer-fault'
      readonly initiator: string
      readonly address: string
      readonly fault: string
      readonly pdu: string
      readonly outcome: 'reject' | 'close' | 'sense'
    }
  | {
      /** A command failed for a reason on the target's side: medium or hardware error, exception. */
      readonly type: 'command-failed'
      readonly target: string
      readonly initiator: string
      readonly lun: number
      readonly command: string
      readonly reason: string
    }
  | {
      /**
       * A command that was taken has had no answer for long; told once. `waitsFor` says who has to go on: the storage, other
       * commands, its initiator. `lba` and `blocks` are null where it has none. `lun` is -1 where that names no unit.
       */
      readonly type: 'stuck-command'
      readonly target: string
      readonly initiator: string
      readonly address: string
      readonly lun: number
      readonly command: string
      readonly lba: number | null
      readonly blocks: number | null
      readonly ms: number
      readonly waitsFor: string
    }
  | {
      /** A command took longer than the operator has asked to be told of. `outcome` is its status in words, or `aborted`. */
      readonly type: 'slow-command'
      readonly target: string
      readonly initiator: string
      readonly lun: number
      readonly command: string
      readonly lba: number | null
      readonly blocks: number | null
      readonly ms: number
      readonly outcome: string
    }
  | {
      /** A peer has not read what waits for it, for `ms`: its connection is closed. */
      readonly type: 'answers-not-read'
      readonly target: string
      readonly initiator: string
      readonly address: string
      readonly cid: number
      readonly bytes: number
      readonly ms: number
    }
  | {
      /**
       * Peers were turned away at the door because of a limit: how many for this reason since it was last told, and the
       * address of the last. A flood of them gives such an event now and then, not one for each.
       */
      readonly type: 'refused'
      readonly address: string
      readonly reason: string
      readonly count: number
    }
  | {
      /** A rehearsal of path loss has begun, or ended; `connections` is how many it met at once, or let go. */
      readonly type: 'path-rehearsal'
      readonly phase: 'begin' | 'end'
      readonly mode: 'silence' | 'deaf' | 'refuse' | 'delay'
      /** What it is for; empty for all. */
      readonly target: string
      readonly initiator: string
      readonly portal: string
      readonly connections: number
    }
  | { readonly type: 'warning'; readonly reason: string }
