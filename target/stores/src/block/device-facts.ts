// SPDX-License-Identifier: Apache-2.0
// What Linux tells of a block device in sysfs: how long it is, its blocks, its cache, its name, and who uses it.
import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Of sysfs sizes, whatever the device's blocks are. */
const SECTOR = 512

export interface DeviceFacts {
  /** Bytes; 0 where there is no medium. */
  readonly size: number
  /** Logical and physical block in bytes. */
  readonly logical: number
  readonly physical: number
  readonly readonly: boolean
  /** A write may be lost at power failure until it is flushed. */
  readonly volatileCache: boolean
  /** Least bytes that a discard gives back, a power of two; 0: it gives none back. */
  readonly discardGranularity: number
  /** It writes zeros by itself, and gives the blocks back then where it can. */
  readonly zeroes: boolean
  /** What tells it from all others, whatever it is called today; empty where it has no such name. */
  readonly name: string
}

/** `MAJOR:MINOR` of a device number as stat(2) gives it. */
export function deviceNumber(rdev: bigint): string {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xffff_f000n)
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & 0xffff_ff00n)
  return `${major}:${minor}`
}

const folderOf = (number: string): string => `/sys/dev/block/${number}`

const textOf = (path: string): Promise<string> =>
  readFile(path, 'utf8').then(
    text => text.trim(),
    () => '',
  )

/** Bytes of the device now, or null where it is not there any more. */
export async function sizeNow(number: string): Promise<number | null> {
  const sectors = await textOf(join(folderOf(number), 'size'))
  return sectors === '' ? null : Number(sectors) * SECTOR
}

/** Rejects where sysfs does not have the device. */
export async function deviceFacts(number: string): Promise<DeviceFacts> {
  const folder = await realpath(folderOf(number))
  const partition = await textOf(join(folder, 'partition'))
  // Only the whole device has a queue.
  const disk = partition === '' ? folder : dirname(folder)
  const of = async (name: string): Promise<number> => Number(await textOf(join(disk, 'queue', name)))
  const logical = (await of('logical_block_size')) || SECTOR
  const granularity = await of('discard_granularity')
  const discards = (await of('discard_max_bytes')) > 0
  const least = Number.isInteger(Math.log2(granularity)) && granularity >= logical ? granularity : logical
  const name = await nameOf(disk)
  return {
    size: (await sizeNow(number)) ?? 0,
    logical,
    physical: Math.max(await of('physical_block_size'), logical),
    readonly: (await textOf(join(folder, 'ro'))) === '1',
    volatileCache: (await textOf(join(disk, 'queue/write_cache'))) !== 'write through',
    discardGranularity: discards ? least : 0,
    zeroes: (await of('write_zeroes_max_bytes')) > 0,
    name: name === '' || partition === '' ? name : `${name}-part${partition}`,
  }
}

const NAMES = ['wwid', 'device/wwid', 'dm/uuid', 'md/uuid', 'serial', 'device/serial', 'loop/backing_file']

async function nameOf(disk: string): Promise<string> {
  for (const place of NAMES) {
    const text = (await textOf(join(disk, place))).replace(/\s+/g, ' ')
    if (text !== '') return text
  }
  return ''
}

/** Where a file system of the device, or of one of its partitions, is mounted; or what else sits on it. Empty: nothing seen. */
export async function usersOf(number: string): Promise<string> {
  const folder = folderOf(number)
  const parts = await readdir(folder).catch(() => [])
  const numbers = [number]
  for (const part of parts) {
    const own = await textOf(join(folder, part, 'dev'))
    if (own !== '' && (await textOf(join(folder, part, 'partition'))) !== '') numbers.push(own)
  }
  const mounts = (await textOf('/proc/self/mountinfo')).split('\n').map(line => line.split(' '))
  const mount = mounts.find(fields => numbers.includes(fields[2] ?? ''))
  if (mount !== undefined) return `mounted at ${mount[4]}`
  for (const one of numbers) {
    const [holder] = await readdir(join(folderOf(one), 'holders')).catch(() => [])
    if (holder !== undefined) return `part of ${holder}`
  }
  const swaps = (await textOf('/proc/swaps')).split('\n').slice(1)
  for (const line of swaps) {
    const target = await readlink(`/sys/class/block/${line.split(/\s/)[0]!.replace('/dev/', '')}`).catch(
      () => '',
    )
    if (target !== '' && numbers.includes(await textOf(join('/sys/class/block', target, 'dev'))))
      return 'swap space'
  }
  return ''
}
