// SPDX-License-Identifier: Apache-2.0
// Cylinders, heads and sectors for old initiators that ask for them: the form that PC BIOSes know.

const HEADS = 255
const SECTORS = 63
/** NUMBER OF CYLINDERS has three bytes. */
const MOST_CYLINDERS = 0xff_ffff

/** As many whole cylinders as fit, so that no address of this geometry lies behind the last block. */
export function geometryOf(blocks: number): { cylinders: number; heads: number; sectors: number } {
  if (blocks < HEADS * SECTORS) {
    const sectors = Math.min(blocks, SECTORS)
    return { cylinders: 1, heads: Math.floor(blocks / sectors), sectors }
  }
  return {
    cylinders: Math.min(Math.floor(blocks / (HEADS * SECTORS)), MOST_CYLINDERS),
    heads: HEADS,
    sectors: SECTORS,
  }
}
