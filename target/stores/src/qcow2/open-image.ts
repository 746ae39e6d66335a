// SPDX-License-Identifier: Apache-2.0
// Opens an image, or makes it, with the files behind it: looks at all that leads somewhere before anything is served.
import { realpath, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { type BackingStore, OperatorError } from '@lunkit/target-api'
import type { FileCalls } from '../file/file-calls.ts'
import { openFile } from '../file/store.ts'
import { checkImage } from './check-image.ts'
import { hasZstd } from './compressed-clusters.ts'
import { corrupt, HEADER_ROOM, type Header, readHeader } from './header.ts'
import { HostFile } from './host-file.ts'
import { OpenedImage } from './image.ts'
import { At, CORRUPT, LONGEST_BACKING_NAME } from './layout.ts'
import { type NewImage, planImage, writeImage } from './new-image.ts'
import { Fault, PartPool } from './parts.ts'
import { Qcow2Store } from './qcow2-store.ts'
import { readTables } from './tables.ts'

export interface Qcow2Options {
  readonly path: string
  /** Bytes of the guest's disk: made so long if the file is missing or empty; else it must have that size. */
  readonly size?: number
  readonly readonly?: boolean
  /** Bytes of a cluster of a new image; 64 KiB if not given. */
  readonly cluster?: number
  /** File behind a new image, or in the place of the one that an image names. */
  readonly backing?: string
  /** `raw` or `qcow2`, where the image does not say what is behind it. */
  readonly backingFormat?: string
  /** Bytes of L2 tables in memory; 16 MiB if not given. */
  readonly cache?: number
  /** The machine's calls for the image's file, without Linux's own; a test gives failing ones. */
  readonly calls?: FileCalls
}

/** Images behind images. */
const DEEPEST = 32
const USUAL_CLUSTER = 65536
/** Maps 128 GiB with clusters of 64 KiB. */
const USUAL_CACHE = 16 * 2 ** 20

/** Rejects with OperatorError (`QCOW2_…`, and those of the file store). */
export function openImage(options: Qcow2Options): Promise<Qcow2Store> {
  return open(options, [])
}

async function open(options: Qcow2Options, above: readonly string[]): Promise<Qcow2Store> {
  const { path } = options
  if (options.size !== undefined && options.readonly !== true && (await isNew(path))) return create(options)
  const name = await realpath(path).catch(() => path)
  if (above.includes(name)) {
    throw new OperatorError('QCOW2_BACKING_LOOP', `Image '${path}' is behind itself`, {
      hint: `qemu-img info --backing-chain '${above[0]}' shows how`,
    })
  }
  if (above.length === DEEPEST) {
    throw new OperatorError(
      'QCOW2_BACKING_DEPTH',
      `'${above[0]}' has more than ${DEEPEST} images behind it`,
      {
        hint: 'shorten the chain with qemu-img rebase or commit',
      },
    )
  }
  const calls = options.calls === undefined ? {} : { calls: options.calls, linux: null }
  const store = await openFile({ path, readonly: options.readonly === true, ...calls })
  const file = new HostFile(store, new PartPool())
  let backing: BackingStore | null = null
  try {
    const start = Buffer.alloc(Math.min(HEADER_ROOM, file.size))
    await file.read(0, start)
    const header = readHeader(path, start, file.size)
    checkOptions(options, header)
    backing = await openBacking(options, header, [...above, name])
    return new Qcow2Store(await load(options, header, file, backing))
  } catch (error) {
    await backing?.close()
    await store.close()
    throw error instanceof Fault ? corrupt(path, error.message, error) : error
  }
}

async function isNew(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => null)
  return stats === null || (stats.isFile() && stats.size === 0)
}

async function create(options: Qcow2Options): Promise<Qcow2Store> {
  const { path, size, backing, backingFormat, cluster = USUAL_CLUSTER } = options
  if (backing !== undefined) {
    if (backingFormat === undefined) throw formatUnknown(path, backing)
    if (Buffer.byteLength(backing) > Math.min(LONGEST_BACKING_NAME, cluster - 256)) {
      throw new OperatorError('QCOW2_BACKING', `The name of the file behind '${path}' is too long`, {
        hint: 'give a relative path, or larger clusters',
      })
    }
    const behind = await openBehind(path, backing, backingFormat, [])
    await behind.close()
  }
  const image: NewImage = {
    size: size!,
    clusterSize: cluster,
    backing: backing === undefined ? null : { name: backing, format: backingFormat! },
  }
  const plan = planImage(path, image)
  const store = await openFile({ path, size: plan.clusters * cluster })
  try {
    await writeImage(new HostFile(store, new PartPool()), image, plan)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new OperatorError('QCOW2_CREATE', `Image '${path}' cannot be made: ${reason}`, {
      hint: 'remove it, and make room there',
      cause: error,
    })
  } finally {
    await store.close()
  }
  const { size: _size, cluster: _cluster, ...rest } = options
  return open(rest, [])
}

function checkOptions({ path, size, readonly, backing }: Qcow2Options, header: Header): void {
  if (size !== undefined && size !== header.size) {
    const way = size > header.size ? `grow it first: qemu-img resize '${path}' ${size}` : 'name another file'
    throw new OperatorError(
      'QCOW2_SIZE_DIFFERS',
      `Image '${path}' has a disk of ${header.size} bytes, not ${size}`,
      {
        hint: `leave size= away to serve it as it is, or ${way}`,
      },
    )
  }
  if (header.compression === 'zstd' && !hasZstd) {
    throw new OperatorError(
      'QCOW2_UNSUPPORTED',
      `Image '${path}' is compressed with zstd, which this Node cannot read`,
      {
        hint: 'use Node 22.15 or later',
      },
    )
  }
  if (backing !== undefined && header.backingName === null) {
    throw new OperatorError(
      'QCOW2_BACKING',
      `Image '${path}' has no file behind it, but backing= names one`,
      {
        hint: `leave backing= away, or set it with qemu-img rebase -u -b '${backing}'`,
      },
    )
  }
  if (readonly === true || (header.incompatible & CORRUPT) === 0) return
  throw new OperatorError('QCOW2_CORRUPT', `Image '${path}' is marked as corrupt, and may not be written`, {
    hint: `repair it with qemu-img check -r all '${path}', or open it with readonly=yes`,
  })
}

async function openBacking(
  { path, backing, backingFormat }: Qcow2Options,
  header: Header,
  above: readonly string[],
): Promise<BackingStore | null> {
  if (header.backingName === null) return null
  const name = backing ?? header.backingName
  // Whoever made the image wrote it, and an operator's terminal would obey.
  if (/\p{Cc}/u.test(name)) {
    throw new OperatorError(
      'QCOW2_BACKING',
      `Image '${path}' has a file behind it whose name has control characters`,
      { hint: 'name it with backing=' },
    )
  }
  const format = backingFormat ?? header.backingFormat
  if (format === null) throw formatUnknown(path, name)
  return openBehind(path, name, format, above)
}

/** Guessing would let a guest's own bytes decide which files of the host it reads. */
const formatUnknown = (path: string, name: string): OperatorError =>
  new OperatorError(
    'QCOW2_BACKING_FORMAT',
    `Image '${path}' does not say which format '${name}' behind it has`,
    {
      hint: 'add backing-format=raw or backing-format=qcow2',
    },
  )

/** Relative names are relative to the folder of the image. */
async function openBehind(
  path: string,
  name: string,
  format: string,
  above: readonly string[],
): Promise<BackingStore> {
  const plain = name.startsWith('file:') ? name.slice(5) : name
  const protocol = /^([a-z][a-z0-9+.-]*):/i.exec(plain)?.[1]
  if (protocol !== undefined) {
    throw new OperatorError(
      'QCOW2_BACKING',
      `Image '${path}' has '${name}' behind it, and ${protocol}: is no file`,
      {
        hint: 'only files are taken; name one with backing=',
      },
    )
  }
  const at = isAbsolute(plain) ? plain : join(dirname(path), plain)
  if (format === 'raw') return openFile({ path: at, readonly: true })
  if (format === 'qcow2') return open({ path: at, readonly: true }, above)
  throw new OperatorError(
    'QCOW2_BACKING_FORMAT',
    `Image '${path}' has '${name}' of format '${format}' behind it`,
    {
      hint: 'only raw and qcow2 are read; convert it with qemu-img convert',
    },
  )
}

/** Reads the tables that stay in memory. */
async function load(
  options: Qcow2Options,
  header: Header,
  file: HostFile,
  backing: BackingStore | null,
): Promise<OpenedImage> {
  const { path } = options
  const canWrite = options.readonly !== true
  const { clusterSize } = header.geometry
  if (canWrite && file.size % clusterSize !== 0)
    await file.store.resize!(file.size + clusterSize - (file.size % clusterSize))
  const tables = await readTables(path, header, file, canWrite)
  const image = new OpenedImage({
    path,
    identity: `qcow2:${await realpath(path)}`,
    note: file.store.note ?? '',
    canWrite,
    header,
    file,
    tables,
    backing,
    cache: options.cache ?? USUAL_CACHE,
  })
  if (!canWrite) return image
  // Bitmaps and what else is not kept up to date.
  if (header.hasAutoclear) await image.writeHeader(At.autoclear, Buffer.alloc(8))
  // Who wrote it last may have been killed: what was read is made durable before it is built upon.
  await file.flush()
  const unchecked = await checkImage(image)
  image.note = [image.note, unchecked].filter(text => text !== '').join('; ')
  return image
}
