// SPDX-License-Identifier: Apache-2.0
// Functions for many tasks that wait for commands before them, which may be under way on other connections (RFC 7143, 4.2.3.3).
import { serialDistance } from '../command-window.ts'
import type { Session } from '../session.ts'

/** Longest wait in milliseconds: a function is answered whatever has been lost. */
const LONGEST_MS = 5000

export interface HeldFunction {
  /** Commands before this number come first. */
  readonly cmdSn: number
  readonly act: () => void
  readonly timer: NodeJS.Timeout
}

/** Calls `act` when all commands before `cmdSn` have come; at once if they have. */
export function holdFunction(session: Session, cmdSn: number, act: () => void): void {
  if (serialDistance(session.window.expected, cmdSn) >= 0) {
    act()
    return
  }
  const timer = setTimeout(() => {
    session.held = session.held.filter(one => one.timer !== timer)
    act()
  }, LONGEST_MS)
  timer.unref()
  session.held.push({ cmdSn, act, timer })
}

/** The command window has moved. */
export function releaseFunctions(session: Session): void {
  const due = session.held.filter(({ cmdSn }) => serialDistance(session.window.expected, cmdSn) >= 0)
  if (due.length === 0) return
  session.held = session.held.filter(one => !due.includes(one))
  for (const { timer, act } of due) {
    clearTimeout(timer)
    act()
  }
}
