// SPDX-License-Identifier: Apache-2.0
// READ DISC STRUCTURE: what the lead-in of a DVD says; a CD has none, and of a BD there is only the list.
import {
  CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT,
  DVD_COPYRIGHT,
  DVD_LAYER,
  INVALID_FIELD_IN_CDB,
  Profile,
  READ_DISC_STRUCTURE,
  STRUCTURE_HEADER,
  STRUCTURE_LIST_ENTRY,
  StructureFormat,
  StructureMedia,
} from '@lunkit/spec'
import { fail, reply } from '@lunkit/target-api'
import { type Disc, SECTOR } from '../disc.ts'
import { onDisc } from '../on-disc.ts'

const { mediaType, layer, format, allocation, agid } = READ_DISC_STRUCTURE.cdb.field

/** Physical sector of LBA 0 on a DVD. */
const FIRST = 0x03_0000
const ALL_ONES = 0xff_ffff
/** Sectors of one layer, and what they come in. */
const LAYER = 2_298_496
const BLOCK = 16
/** LAYER TYPE: embossed, nothing can be written. */
const EMBOSSED = 1
/** MAXIMUM RATE: not specified. */
const ANY_RATE = 0xf

/** Length of what follows the header, and the structure; by FORMAT CODE. */
interface Structure {
  readonly format: number
  readonly length: number
  readonly write: (disc: Disc, into: Uint8Array) => void
}

const DVD: readonly Structure[] = [
  { format: StructureFormat.physical, length: SECTOR, write: writeLayers },
  // Neither protection nor a region that may not read it.
  { format: StructureFormat.copyright, length: DVD_COPYRIGHT.length, write: () => {} },
  { format: StructureFormat.manufacturing, length: SECTOR, write: () => {} },
]

/** What there is on discs of a profile, under the MEDIA TYPE that asks for it. */
const STRUCTURES: Readonly<Record<number, { readonly media: number; readonly all: readonly Structure[] }>> = {
  [Profile.dvdRom]: { media: StructureMedia.dvd, all: DVD },
  [Profile.bdRom]: { media: StructureMedia.bd, all: [] },
}

export const readDiscStructure = onDisc(READ_DISC_STRUCTURE, (task, disc) => {
  const { cdb } = task
  const known = STRUCTURES[disc.profile]
  const code = format.get(cdb, 0)
  const list = code === StructureFormat.list
  if (known === undefined || (!list && mediaType.get(cdb, 0) !== known.media)) {
    return fail(task, CANNOT_READ_MEDIUM_INCOMPATIBLE_FORMAT)
  }
  // Grants are for structures that are read after an authentication: there are none.
  if (agid.get(cdb, 0) !== 0) return fail(task, INVALID_FIELD_IN_CDB, agid)
  const room = allocation.get(cdb, 0)
  if (list) return reply(task, withHeader(listOf(known.all)), room)
  const structure = known.all.find(one => one.format === code)
  if (structure === undefined) return fail(task, INVALID_FIELD_IN_CDB, format)
  if (layer.get(cdb, 0) >= layersOf(disc)) return fail(task, INVALID_FIELD_IN_CDB, layer)
  const bytes = new Uint8Array(structure.length)
  structure.write(disc, bytes)
  reply(task, withHeader(bytes), room)
})

const withHeader = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat([STRUCTURE_HEADER.write({ length: STRUCTURE_HEADER.length - 2 + bytes.length }), bytes])

const listOf = (all: readonly Structure[]): Uint8Array =>
  Buffer.concat(
    all.map(({ format, length }) =>
      STRUCTURE_LIST_ENTRY.write({ format, rds: 1, length: STRUCTURE_HEADER.length + length }),
    ),
  )

const layersOf = ({ sectors }: Disc): number => (sectors > LAYER ? 2 : 1)

/** On two layers, the second is read from the outside in, and its physical sectors are the first one's with all bits turned. */
function writeLayers(disc: Disc, into: Uint8Array): void {
  const layers = layersOf(disc)
  const onFirst = layers === 1 ? disc.sectors : Math.ceil(disc.sectors / 2 / BLOCK) * BLOCK
  const lastOfFirst = FIRST + onFirst - 1
  const last = layers === 1 ? lastOfFirst : ALL_ONES - lastOfFirst + (disc.sectors - onFirst) - 1
  DVD_LAYER.write(
    {
      part: 1,
      maxRate: ANY_RATE,
      layers: layers - 1,
      opposite: layers - 1,
      layerType: EMBOSSED,
      first: FIRST,
      last,
      lastOfLayer0: layers === 1 ? 0 : lastOfFirst,
    },
    into,
  )
}
