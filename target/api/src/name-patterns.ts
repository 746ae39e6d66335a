// SPDX-License-Identifier: Apache-2.0
// Names by patterns: `*` stands for any characters and `?` for one; a pattern with `!` before it takes names out.

/** Whether a name fits one pattern (without `!`); the case of letters is ignored. */
export function matchesPattern(pattern: string, name: string): boolean {
  const glob = pattern.toLowerCase()
  const text = name.toLowerCase()
  let at = 0
  let star = -1
  let resume = 0
  let i = 0
  while (i < text.length) {
    if (at < glob.length && glob[at] === '*') {
      star = at++
      resume = i
    } else if (at < glob.length && (glob[at] === '?' || glob[at] === text[i])) {
      at++
      i++
    } else if (star >= 0) {
      at = star + 1
      i = ++resume
    } else {
      return false
    }
  }
  while (at < glob.length && glob[at] === '*') at++
  return at === glob.length
}

/**
 * Whether a list of patterns takes a subject: one that a `!` pattern fits is out, whatever else fits; else one that a
 * plain pattern fits is in; and where all patterns have a `!`, everybody else is in. An empty list takes nobody. Their
 * order says nothing.
 */
export function isListed(patterns: readonly string[], fits: (pattern: string) => boolean): boolean {
  let listed = false
  let plain = 0
  for (const pattern of patterns) {
    const negated = pattern.startsWith('!')
    if (!negated) plain++
    if (negated ? fits(pattern.slice(1)) : !listed && fits(pattern)) {
      if (negated) return false
      listed = true
    }
  }
  return listed || (plain === 0 && patterns.length > 0)
}

/** Whether a list of patterns takes a name. */
export const namesInclude = (patterns: readonly string[], name: string): boolean =>
  isListed(patterns, pattern => matchesPattern(pattern, name))
