// SPDX-License-Identifier: Apache-2.0
// Reads an image's header and its extensions, and refuses by name what cannot be served.
import { OperatorError } from '@lunkit/target-api'
import {
  At,
  CLUSTER_BITS,
  COMPRESSION_TYPE,
  Extension,
  type Geometry,
  geometryOf,
  HEADER_LENGTH,
  INCOMPATIBLE,
  LONGEST_BACKING_NAME,
  MAGIC,
  MOST_L1_BYTES,
  MOST_REFCOUNT_TABLE_BYTES,
  MOST_SNAPSHOTS,
  read64,
} from './layout.ts'

export interface Header {
  readonly geometry: Geometry
  /** Bytes of the guest's disk. */
  readonly size: number
  readonly l1Entries: number
  readonly l1Offset: number
  readonly refcountTableOffset: number
  readonly refcountTableClusters: number
  readonly snapshotCount: number
  readonly snapshotsOffset: number
  /** Low bits of the incompatible features. */
  readonly incompatible: number
  readonly hasAutoclear: boolean
  readonly compression: 'deflate' | 'zstd'
  /** As it stands in the image, or null. */
  readonly backingName: string | null
  /** `raw`, `qcow2`, …, or null where the image does not say. */
  readonly backingFormat: string | null
  /** All header extensions are known: nothing else of the image can hold clusters. */
  readonly known: boolean
  /** The header's own bytes, without extensions: 72, or 104 and more. */
  readonly bytes: Buffer
}

/** Bytes from the image's start that `readHeader` may need. */
export const HEADER_ROOM = 2 ** CLUSTER_BITS.most

export const corrupt = (path: string, what: string, cause?: unknown): OperatorError =>
  new OperatorError('QCOW2_CORRUPT', `Image '${path}' is damaged: ${what}`, {
    hint: `look at it with qemu-img check '${path}'`,
    cause,
  })

const unsupported = (path: string, what: string, hint: string): OperatorError =>
  new OperatorError('QCOW2_UNSUPPORTED', `Image '${path}' has ${what}, which is not supported`, { hint })

/**
 * `start`: the first bytes of the image, a cluster or all of a shorter file; `length`: bytes of the file. Throws OperatorError
 * QCOW2_FORMAT, QCOW2_UNSUPPORTED or QCOW2_CORRUPT.
 */
export function readHeader(path: string, start: Buffer, length: number): Header {
  if (start.length < 4 || start.readUInt32BE(At.magic) !== MAGIC) {
    throw new OperatorError('QCOW2_FORMAT', `'${path}' is no qcow2 image`, {
      hint: `look with qemu-img info '${path}'; a raw image is file:${path}`,
    })
  }
  const u32 = (at: number): number => start.readUInt32BE(at)
  const wrong = (what: string): never => {
    throw corrupt(path, what)
  }
  if (start.length < 72) wrong('its header is cut off')
  const version = u32(At.version)
  const least = HEADER_LENGTH[version]
  if (least === undefined)
    throw unsupported(path, `version ${version}`, 'convert it with qemu-img convert -O qcow2')
  if (start.length < least) wrong('its header is cut off')
  const headerLength = version === 2 ? least : u32(At.headerLength)
  if (headerLength < least || headerLength % 8 !== 0)
    wrong(`its header says that it has ${headerLength} bytes`)
  const clusterBits = u32(At.clusterBits)
  if (clusterBits < CLUSTER_BITS.least || clusterBits > CLUSTER_BITS.most)
    wrong(`clusters of 2^${clusterBits} bytes`)
  const cluster = 2 ** clusterBits
  if (headerLength > cluster) wrong(`a header of ${headerLength} bytes in clusters of ${cluster}`)
  if (start.length < Math.min(cluster, headerLength)) wrong('its header is cut off')
  const crypt = u32(At.cryptMethod)
  if (crypt !== 0) {
    const name = crypt === 1 ? 'AES encryption' : crypt === 2 ? 'LUKS encryption' : `encryption ${crypt}`
    throw unsupported(path, name, 'decrypt it with qemu-img convert --object secret,… -O qcow2')
  }
  const area = start.subarray(0, cluster)
  const { backingFormat, featureNames, known } = readExtensions(area, headerLength, wrong)
  const incompatible = version === 2 ? 0 : u32(At.incompatible + 4)
  if (version > 2) refuseFeatures(path, start, featureNames)
  const order = version === 2 ? 4 : u32(At.refcountOrder)
  if (order > 6) wrong(`reference counts of 2^${order} bits`)
  const type = headerLength > At.compressionType ? start[At.compressionType]! : 0
  if ((incompatible & COMPRESSION_TYPE) !== 0 ? type === 0 : type !== 0)
    wrong(`compression type ${type} and its feature bit do not fit`)
  if (type > 1) throw unsupported(path, `compression type ${type}`, 'copy it with qemu-img convert -O qcow2')
  const geometry = geometryOf(version, clusterBits, order)

  const size = read64(start, At.size)
  const l1Entries = u32(At.l1Entries)
  const l1Needed = Math.ceil(size / geometry.l2Span)
  if (!Number.isSafeInteger(size) || l1Needed * 8 > MOST_L1_BYTES) wrong(`a disk of ${size} bytes`)
  if (size === 0) throw unsupported(path, 'no bytes', `make it longer: qemu-img resize '${path}' 1G`)
  if (l1Entries * 8 > MOST_L1_BYTES) wrong(`an L1 table of ${l1Entries} entries`)
  if (l1Entries < l1Needed) wrong(`an L1 table of ${l1Entries} entries, where ${l1Needed} are needed`)
  const refcountTableClusters = u32(At.refcountTableClusters)
  if (refcountTableClusters * cluster > MOST_REFCOUNT_TABLE_BYTES || refcountTableClusters === 0)
    wrong(`a refcount table of ${refcountTableClusters} clusters`)
  const snapshotCount = u32(At.snapshotCount)
  if (snapshotCount > MOST_SNAPSHOTS) wrong(`${snapshotCount} snapshots`)
  const place = (what: string, at: number, bytes: number): number => {
    const offset = read64(start, at)
    if (offset % cluster !== 0 || offset < cluster || offset + bytes > length)
      wrong(`its ${what} is said to be at ${offset}, and the file has ${length} bytes`)
    return offset
  }
  return {
    geometry,
    size,
    l1Entries,
    l1Offset: place('L1 table', At.l1Offset, l1Entries * 8),
    refcountTableOffset: place('refcount table', At.refcountTableOffset, refcountTableClusters * cluster),
    refcountTableClusters,
    snapshotCount,
    snapshotsOffset: snapshotCount === 0 ? 0 : place('snapshot table', At.snapshotsOffset, 40),
    incompatible,
    hasAutoclear: version > 2 && read64(start, At.autoclear) !== 0,
    compression: type === 1 ? 'zstd' : 'deflate',
    backingName: readBackingName(area, wrong),
    backingFormat,
    known,
    bytes: Buffer.from(start.subarray(0, headerLength)),
  }
}

function readBackingName(area: Buffer, wrong: (what: string) => never): string | null {
  const at = read64(area, At.backingOffset)
  if (at === 0) return null
  const length = area.readUInt32BE(At.backingLength)
  if (length > LONGEST_BACKING_NAME || at + length > area.length)
    wrong(`the name of its backing file is said to be ${length} bytes at ${at}`)
  return length === 0 ? null : area.toString('utf8', at, at + length)
}

interface Extensions {
  readonly backingFormat: string | null
  /** `TYPE/BIT` to name. */
  readonly featureNames: ReadonlyMap<string, string>
  readonly known: boolean
}

const KNOWN: ReadonlySet<number> = new Set(Object.values(Extension))

/** They end where the backing file's name begins, or with the cluster. */
function readExtensions(area: Buffer, start: number, wrong: (what: string) => never): Extensions {
  const name = read64(area, At.backingOffset)
  const end = name > 0 && name < area.length ? name : area.length
  let backingFormat: string | null = null
  let known = true
  const featureNames = new Map<string, string>()
  for (let at = start; at + 8 <= end; ) {
    const type = area.readUInt32BE(at)
    const length = area.readUInt32BE(at + 4)
    if (type === Extension.end) break
    if (!KNOWN.has(type)) known = false
    if (at + 8 + length > end) wrong(`a header extension of ${length} bytes at ${at} does not fit`)
    const data = area.subarray(at + 8, at + 8 + length)
    if (type === Extension.backingFormat) backingFormat = data.toString('latin1')
    if (type === Extension.featureNames) {
      for (let i = 0; i + 48 <= data.length; i += 48) {
        const text = data.toString('latin1', i + 2, i + 48).replace(/\0.*$/s, '')
        featureNames.set(`${data[i]}/${data[i + 1]}`, text.replace(/[^\x20-\x7e]/g, '?'))
      }
    }
    at += 8 + Math.ceil(length / 8) * 8
  }
  return { backingFormat, featureNames, known }
}

/** By the names of lunkit, else by those that the image brings. */
function refuseFeatures(path: string, start: Buffer, names: ReadonlyMap<string, string>): void {
  for (let bit = 0; bit < 64; bit++) {
    const half = start.readUInt32BE(At.incompatible + (bit < 32 ? 4 : 0))
    if ((half & (2 ** (bit % 32))) === 0) continue
    const known = INCOMPATIBLE[bit]
    if (known?.can === true) continue
    const name = known?.name ?? `the unknown feature '${names.get(`0/${bit}`) ?? `bit ${bit}`}'`
    throw unsupported(path, name, known?.hint ?? 'copy it with qemu-img convert -O qcow2')
  }
}
