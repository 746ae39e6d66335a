// SPDX-License-Identifier: Apache-2.0
// What lies in the store of tags: a header that says how the medium is formatted, then eight inverted bytes a block.
import { crc32c, layout, ProtectionType, text, u8, u16, u32 } from '@lunkit/spec'
import {
  type BackingStore,
  BufferPool,
  OperatorError,
  StoreError,
  type StoreIo,
  Task,
} from '@lunkit/target-api'
import { TAG_LENGTH } from './tags.ts'

/** Where the tags begin. */
export const TAGS_AT = 4096

const VERSION = 1
const MAGIC = 'lunkit tags'

const HEADER = layout('Header of a store of tags', 'lunkit, docs/decisions: protection information', 32, {
  magic: text(0, 16),
  version: u16(16),
  type: u8(18),
  blockSize: u32(20),
  crc: u32(28),
})
const { crc } = HEADER.field

/** Bytes of the store of tags for this many blocks. */
export const tagBytes = (blocks: number): number => TAGS_AT + blocks * TAG_LENGTH

/** The header as it is written. */
export function tagHeader(type: ProtectionType, blockSize: number): Buffer {
  const bytes = Buffer.alloc(TAGS_AT)
  HEADER.write({ magic: MAGIC, version: VERSION, type, blockSize }, bytes)
  crc.set(bytes, 0, crc32c(bytes, 0, crc.byte))
  return bytes
}

/** Does one request to a store outside the road of commands. */
export function ask(
  tags: BackingStore,
  call: 'read' | 'write' | 'flush',
  offset = 0,
  bytes: Buffer | null = null,
): Promise<StoreIo> {
  return new Promise((resolve, reject) => {
    const { io } = new Task(
      new BufferPool(0),
      () => {},
      (_task, cause) => reject(cause),
    )
    io.offset = offset
    io.length = bytes?.length ?? 0
    if (bytes !== null) io.segments.push(bytes)
    io.forceUnitAccess = call === 'write'
    io.onFinish = () => resolve(io)
    tags[call](io)
  })
}

/**
 * Makes the store of tags fit `blocks` blocks and reads its header, or writes one for `type` where it is new. Resolves
 * with the type that the medium is formatted with. Rejects with OperatorError.
 */
export async function openTags(
  tags: BackingStore,
  type: ProtectionType,
  blockSize: number,
  blocks: number,
): Promise<ProtectionType> {
  const wrong = (code: string, what: string, hint: string): OperatorError =>
    new OperatorError(code, `Disk: the tags in ${tags.identity || 'memory'} ${what}`, { hint })
  const wanted = tagBytes(blocks)
  if (tags.size === 0) await fit(tags, wanted, wrong)
  if (tags.size < TAGS_AT) throw wrong('TAGS_SIZE', `have ${tags.size} bytes`, 'name another file with tags=')
  const header = Buffer.alloc(TAGS_AT)
  const { error } = await ask(tags, 'read', 0, header)
  if (error !== StoreError.none) throw wrong('TAGS_READ', 'cannot be read', 'check the storage it is on')
  // A file of another size that begins with zeros may be anything.
  if (tags.size === wanted && header.every(byte => byte === 0)) {
    if (!tags.canWrite)
      throw wrong('TAGS_NEW', 'are new and cannot be written', 'serve the disk for writing once')
    const written = await ask(tags, 'write', 0, tagHeader(type, blockSize))
    if (written.error === StoreError.none) return type
    throw wrong('TAGS_WRITE', 'cannot be written', 'check the storage it is on')
  }
  const read = HEADER.read(header)
  if (read.magic.trimEnd() !== MAGIC || read.crc !== crc32c(header, 0, crc.byte))
    throw wrong(
      'TAGS_DAMAGED',
      'have no whole header',
      'name the right file with tags=, or remove it to give up all tags',
    )
  if (read.version !== VERSION || read.type > ProtectionType.type3)
    throw wrong('TAGS_VERSION', 'were written by another lunkit', 'serve it with that one')
  if (read.blockSize !== blockSize)
    throw wrong('TAGS_BLOCK', `are for blocks of ${read.blockSize} bytes`, `give block=${read.blockSize}`)
  await fit(tags, wanted, wrong)
  return read.type as ProtectionType
}

/** Blocks that came to the disk since then have no tags; tags of blocks that are gone are cut off where that can be. */
async function fit(
  tags: BackingStore,
  wanted: number,
  wrong: (code: string, what: string, hint: string) => OperatorError,
): Promise<void> {
  if (tags.size === wanted) return
  if (tags.canWrite) await tags.resize?.(wanted)
  if (tags.size < wanted)
    throw wrong('TAGS_SIZE', `have ${tags.size} bytes of ${wanted}`, `make it ${wanted} bytes long`)
}
