// SPDX-License-Identifier: Apache-2.0
// A disc: a store as one session of one data track, and which kind of disc has room for that.
import { Profile } from '@lunkit/spec'
import { type BackingStore, OperatorError } from '@lunkit/target-api'

/** Bytes of user data in a sector (Mode 1 of a CD; DVD and BD have no others). */
export const SECTOR = 2048

/** The largest discs of a kind, in sectors: 80 minutes of a CD, two layers of a DVD on one side. */
const LARGEST_CD = 80 * 60 * 75
const LARGEST_DVD = 4_173_824
/** The last LBA has four bytes, and all ones are no LBA. */
const MOST_SECTORS = 0xffff_ffff

export interface Disc {
  readonly store: BackingStore
  readonly sectors: number
  /** `Profile` of spec. */
  readonly profile: number
}

/** Throws OperatorError if the store's bytes are no disc. */
export function discOf(store: BackingStore): Disc {
  const { size } = store
  const name = store.identity === '' ? 'its store' : store.identity
  if (size === 0) {
    throw new OperatorError('STORE_EMPTY', `CD drive: ${name} is empty`, {
      hint: 'give an image with a file system in it, or no image at all for an empty drive',
    })
  }
  if (size % SECTOR !== 0) {
    throw new OperatorError(
      'STORE_SIZE',
      `CD drive: the ${size} bytes of ${name} are no whole sectors of ${SECTOR}`,
      {
        hint: `fetch it anew if it was cut off, or fill it up with zeros: truncate -s %${SECTOR} FILE`,
      },
    )
  }
  const sectors = size / SECTOR
  if (!Number.isSafeInteger(size) || sectors > MOST_SECTORS) {
    throw new OperatorError('STORE_TOO_LARGE', `CD drive: ${name} has more than 2^32 sectors`, {
      hint: 'serve it as a disk',
    })
  }
  return { store, sectors, profile: profileOf(sectors) }
}

function profileOf(sectors: number): number {
  if (sectors <= LARGEST_CD) return Profile.cdRom
  return sectors <= LARGEST_DVD ? Profile.dvdRom : Profile.bdRom
}
