// SPDX-License-Identifier: Apache-2.0
// Walks over what has changed, page by page.
import { BELOW, type GrainMap, PAGE_GRAINS } from './grain-map.ts'

/** Runs of grains that are not BELOW, ascending, as [first, end), at most `most` grains each; none crosses a page. */
export function* changedRuns(map: GrainMap, most: number): Iterable<readonly [number, number]> {
  for (const page of [...map.pages].toSorted((a, b) => a - b)) {
    const stop = (page + 1) * PAGE_GRAINS
    for (let grain = page * PAGE_GRAINS; grain < stop; ) {
      const first = grain
      while (grain < stop && grain - first < most && map.get(grain) !== BELOW) grain++
      if (grain > first) yield [first, grain]
      else grain++
    }
  }
}
