// SPDX-License-Identifier: Apache-2.0
// Who may see and use a target: its entry of the access table, and initiator names with wildcards.
import type { Access, Settings } from '../options.ts'

const OPEN: Access = Object.freeze({})

/** Entry of a target: its own, else the one for all. */
export function accessOf(settings: Settings, target: string): Access {
  const { access } = settings
  if (Object.hasOwn(access, target)) return access[target]!
  return Object.hasOwn(access, '*') ? access['*']! : OPEN
}

/** Whether an initiator's name is on the list; without a list everybody is. */
export function mayUse(access: Access, initiator: string): boolean {
  return access.initiators === undefined || access.initiators.some(glob => matches(glob, initiator))
}

/** Whether a name fits a pattern in which `*` stands for any characters and `?` for one; letters' case is ignored. */
export function matches(glob: string, name: string): boolean {
  const pattern = glob.toLowerCase()
  const text = name.toLowerCase()
  let at = 0
  let star = -1
  let resume = 0
  let i = 0
  while (i < text.length) {
    if (at < pattern.length && pattern[at] === '*') {
      star = at++
      resume = i
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[i])) {
      at++
      i++
    } else if (star >= 0) {
      at = star + 1
      i = ++resume
    } else {
      return false
    }
  }
  while (at < pattern.length && pattern[at] === '*') at++
  return at === pattern.length
}
