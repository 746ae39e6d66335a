// SPDX-License-Identifier: Apache-2.0
// A good parameter list for each command of a disk that takes one, and what the command says to less than all of it.
import {
  BLOCK_DEVICE_RANGE,
  BLOCK_TO_BLOCK_SEGMENT,
  type Command,
  CopyDescriptor,
  EXTENDED_COPY_HEADER,
  EXTENDED_COPY_LID1,
  FORMAT_SHORT_HEADER,
  FORMAT_UNIT,
  IDENTIFICATION_CSCD,
  INITIALIZATION_PATTERN,
  LOG_SELECT,
  MODE_SELECT_6,
  MODE_SELECT_10,
  PERSISTENT_RESERVE_OUT_CLEAR,
  PERSISTENT_RESERVE_OUT_PREEMPT,
  PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT,
  PERSISTENT_RESERVE_OUT_REGISTER,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_IGNORE_EXISTING_KEY,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_MOVE,
  PERSISTENT_RESERVE_OUT_RELEASE,
  PERSISTENT_RESERVE_OUT_REPLACE_LOST_RESERVATION,
  PERSISTENT_RESERVE_OUT_RESERVE,
  POPULATE_TOKEN,
  POPULATE_TOKEN_LIST,
  REASSIGN_BLOCKS,
  REASSIGN_SHORT_HEADER,
  RELEASE_10,
  RESERVE_10,
  RESERVE_OUT_LIST,
  ROD_TOKEN_LENGTH,
  SANITIZE_OVERWRITE,
  SANITIZE_OVERWRITE_HEADER,
  SEND_DIAGNOSTIC,
  SET_IDENTIFYING_INFORMATION,
  SET_TARGET_PORT_GROUPS,
  SET_TIMESTAMP,
  TIMESTAMP_SETTING,
  UNMAP,
  UNMAP_DESCRIPTOR,
  UNMAP_HEADER,
  WRITE_BUFFER,
  WRITE_USING_TOKEN,
  WRITE_USING_TOKEN_LIST,
} from '@lunkit/spec'

export interface ParameterListCase {
  readonly command: Command
  /** CDB fields besides the parameter list length. */
  readonly values: Readonly<Record<string, number>>
  readonly list: Buffer
  /** Lengths that make a shorter list of their own: with no list there is nothing to do, as a rule. */
  readonly goodAt: readonly number[]
  /** The CDB's length is refused as such below this one. */
  readonly least: number
  /** What the whole list ends with depends on more than the list. */
  readonly needsMore: boolean
}

interface More {
  readonly values?: Readonly<Record<string, number>>
  readonly goodAt?: readonly number[]
  readonly least?: number
  readonly needsMore?: boolean
}

// biome-ignore lint/suspicious/noExplicitAny: rows of any fields
type AnyCommand = Command<any>

const row = (command: AnyCommand, list: readonly Uint8Array[], more: More = {}): ParameterListCase => ({
  command,
  values: {},
  list: Buffer.concat(list),
  goodAt: [0],
  least: 0,
  needsMore: false,
  ...more,
})

/** Commands with a parameter list length that have no list here, and why. */
export const WITHOUT_LIST: ReadonlyMap<AnyCommand, string> = new Map<AnyCommand, string>([
  [SET_IDENTIFYING_INFORMATION, 'each length makes a name of its own'],
  [WRITE_BUFFER, 'each number of bytes is data'],
  [RESERVE_10, 'its list is for third parties, which are refused'],
  [RELEASE_10, 'its list is for third parties, which are refused'],
])

const CACHING = Uint8Array.from([8, 18, 4, ...Array(17).fill(0)])

/** The unit of the bench. */
const cscd = IDENTIFICATION_CSCD.write({
  type: CopyDescriptor.identification,
  codeSet: 1,
  designatorType: 3,
  designatorLength: 8,
  designator: Buffer.concat([Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, 3), Buffer.alloc(12)]),
  blockLength: 512,
})
const segment = BLOCK_TO_BLOCK_SEGMENT.write({
  type: CopyDescriptor.blockToBlock,
  length: BLOCK_TO_BLOCK_SEGMENT.length - 4,
  source: 0,
  destination: 0,
  blocks: 1,
  sourceLba: 0,
  destinationLba: 8,
})

const keys = RESERVE_OUT_LIST.write({ newKey: 1n })
/** Without a registration before it, each but the registering ones ends with RESERVATION CONFLICT. */
const reserving = [
  PERSISTENT_RESERVE_OUT_REGISTER,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_IGNORE_EXISTING_KEY,
  PERSISTENT_RESERVE_OUT_RESERVE,
  PERSISTENT_RESERVE_OUT_RELEASE,
  PERSISTENT_RESERVE_OUT_CLEAR,
  PERSISTENT_RESERVE_OUT_PREEMPT,
  PERSISTENT_RESERVE_OUT_PREEMPT_AND_ABORT,
  PERSISTENT_RESERVE_OUT_REGISTER_AND_MOVE,
  PERSISTENT_RESERVE_OUT_REPLACE_LOST_RESERVATION,
]

export const PARAMETER_LISTS: readonly ParameterListCase[] = [
  // The header alone changes nothing, and is whole.
  row(MODE_SELECT_6, [new Uint8Array(4), CACHING], { values: { pf: 1 }, goodAt: [0, 4] }),
  row(MODE_SELECT_10, [new Uint8Array(8), CACHING], { values: { pf: 1 }, goodAt: [0, 8] }),
  // A page of one parameter, whose length is the device's to know.
  row(LOG_SELECT, [Uint8Array.of(2, 0, 0, 8, 0, 3, 0x62, 4, 0, 0, 0, 0)], {
    values: { pageControl: 1 },
    needsMore: true,
  }),
  row(SEND_DIAGNOSTIC, [new Uint8Array(4)], { values: { pf: 1 } }),
  row(SET_TIMESTAMP, [TIMESTAMP_SETTING.write({ timestamp: 0x0102_0304_0506 })]),
  row(SET_TARGET_PORT_GROUPS, [new Uint8Array(4), Uint8Array.of(0, 0, 0, 1)], {
    goodAt: [0, 4],
    // SPC-4: a cut descriptor is the CDB's fault.
    least: 8,
    needsMore: true,
  }),
  ...reserving.map(command => row(command, [keys], { goodAt: [], needsMore: true })),
  row(UNMAP, [
    UNMAP_HEADER.write({ dataLength: 22, descriptorLength: 16 }),
    UNMAP_DESCRIPTOR.write({ lba: 1, blocks: 1 }),
  ]),
  row(EXTENDED_COPY_LID1, [
    EXTENDED_COPY_HEADER.write({
      listId: 7,
      cscdLength: IDENTIFICATION_CSCD.length,
      segmentLength: BLOCK_TO_BLOCK_SEGMENT.length,
    }),
    cscd,
    segment,
  ]),
  row(
    POPULATE_TOKEN,
    [
      POPULATE_TOKEN_LIST.write({ dataLength: 30, rangeLength: 16 }),
      BLOCK_DEVICE_RANGE.write({ lba: 0, blocks: 8 }),
    ],
    { values: { listId: 9 } },
  ),
  row(
    WRITE_USING_TOKEN,
    [
      WRITE_USING_TOKEN_LIST.write({
        dataLength: 550,
        rangeLength: 16,
        token: Buffer.alloc(ROD_TOKEN_LENGTH),
      }),
      BLOCK_DEVICE_RANGE.write({ lba: 0, blocks: 8 }),
    ],
    { values: { listId: 9 }, needsMore: true },
  ),
  row(REASSIGN_BLOCKS, [REASSIGN_SHORT_HEADER.write({ length: 8 }), Buffer.alloc(8)], { goodAt: [] }),
  row(
    FORMAT_UNIT,
    [
      FORMAT_SHORT_HEADER.write({ fov: 1, ip: 1 }),
      INITIALIZATION_PATTERN.write({ type: 1, length: 3 }),
      Uint8Array.of(1, 2, 3),
    ],
    { values: { fmtdata: 1 }, goodAt: [] },
  ),
  row(
    SANITIZE_OVERWRITE,
    [SANITIZE_OVERWRITE_HEADER.write({ count: 1, patternLength: 4 }), Uint8Array.of(1, 2, 3, 4)],
    { goodAt: [], least: 5 },
  ),
]
