// SPDX-License-Identifier: Apache-2.0
// Which name was meant by one that was mistyped.

/** Letters that may be wrong. */
const MOST = 2

/** A question for a hint, `did you mean 'readonly'? `, or empty where nothing is near. */
export function didYouMean(given: string, names: readonly string[]): string {
  const most = Math.min(MOST, Math.floor((given.length - 1) / 2))
  const near = names
    .map(name => ({ name, wrong: distance(given, name) }))
    .filter(({ wrong }) => wrong <= most)
    .sort((a, b) => a.wrong - b.wrong)
  return near[0] === undefined ? '' : `did you mean '${near[0].name}'? `
}

/** Letters that are more, fewer or other (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      const same = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1)
      next.push(Math.min(same, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[other.length]!
}
