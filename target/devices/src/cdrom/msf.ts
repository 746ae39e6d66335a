// SPDX-License-Identifier: Apache-2.0
// Minutes, seconds and frames as the other way to name a sector of a CD.

const FRAMES = 75
const SECONDS = 60
/** LBA 0 is two seconds into the disc (MMC-6, MSF and LBA). */
const LEAD = 2 * FRAMES
/** What says that a sector lies behind all that MSF can name. */
const LAST = 0xff_3b_4a

/** Three bytes, as a number: minute, second, frame. */
export function msfOf(lba: number): number {
  const frames = lba + LEAD
  const minute = Math.floor(frames / (FRAMES * SECONDS))
  if (minute > 0xff) return LAST
  return (minute << 16) | ((Math.floor(frames / FRAMES) % SECONDS) << 8) | (frames % FRAMES)
}

/** LBA of such a number; below zero before the first sector of the program area, NaN if it names none. */
export function lbaOf(msf: number): number {
  const [minute, second, frame] = [msf >> 16, (msf >> 8) & 0xff, msf & 0xff]
  if (second >= SECONDS || frame >= FRAMES) return Number.NaN
  return (minute * SECONDS + second) * FRAMES + frame - LEAD
}
