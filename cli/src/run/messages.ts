// SPDX-License-Identifier: Apache-2.0
// What the process that has the portals and those that serve targets tell each other.
import type { Reply } from '../control/reply.ts'
import type { Report } from '../signals.ts'
import type { TargetPlan } from './plan.ts'
import type { ServedLun } from './share.ts'

export type ToWorker =
  | {
      readonly type: 'start'
      readonly plans: readonly TargetPlan[]
      /** Portals as they are bound, to be read like `--portal`. */
      readonly portals: string[]
    }
  /** With a socket, of which `bytes` have been read. */
  | {
      readonly type: 'connection'
      readonly id: number
      readonly target: string
      readonly tag: number
      readonly bytes: Uint8Array
      readonly msLeft: number
    }
  /** To be answered at once: one that does not hangs. */
  | { readonly type: 'beat' }
  | { readonly type: 'report' }
  | { readonly type: 'look' }
  /** To be answered with its `id`. */
  | { readonly type: 'control'; readonly id: number; readonly target: string; readonly line: string }
  | { readonly type: 'stop'; readonly graceMs: number }

export type FromWorker =
  | { readonly type: 'ready'; readonly luns: readonly ServedLun[] }
  | { readonly type: 'failed'; readonly code: string; readonly message: string; readonly hint: string }
  /** This connection is there: the next may come. */
  | { readonly type: 'took'; readonly id: number }
  | { readonly type: 'left'; readonly id: number }
  | { readonly type: 'beat' }
  | {
      readonly type: 'login'
      readonly tag: number
      readonly address: string
      /** Why it was refused; null if somebody proved who it is. */
      readonly status: number | null
    }
  | { readonly type: 'say'; readonly fields: Readonly<Record<string, unknown>>; readonly words: string }
  | { readonly type: 'report'; readonly reports: readonly Report[] }
  | { readonly type: 'control'; readonly id: number; readonly reply: Reply }
