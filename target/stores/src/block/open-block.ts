// SPDX-License-Identifier: Apache-2.0
// Opens a block device for a store: refuses what is mounted or in use, says by what, and leaves nothing behind when it fails.
import fs from 'node:fs'
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { OperatorError } from '@lunkit/target-api'
import { codeOf } from '../errno.ts'
import { fileCalls } from '../file/file-calls.ts'
import { lockByName } from '../file/file-lock.ts'
import { type LinuxCalls, linuxCalls } from '../file/linux-calls.ts'
import { BlockStore, type OpenedDevice } from './block-store.ts'
import { type DeviceFacts, deviceFacts, deviceNumber, sizeNow, usersOf } from './device-facts.ts'

export interface BlockOptions {
  readonly path: string
  readonly readonly?: boolean
  /** Opens it even though something uses it. */
  readonly force?: boolean
  /** The machine's calls; a test gives failing ones. */
  readonly calls?: ConstructorParameters<typeof BlockStore>[1]
  /** The same for Linux's own; null: there are none. */
  readonly linux?: LinuxCalls | null
}

type Undo = (() => Promise<unknown>)[]

/** Rejects with OperatorError (`BLOCK_MISSING`, `BLOCK_IN_USE`, …). */
export async function openBlock(options: BlockOptions): Promise<BlockStore> {
  const { path } = options
  if (process.platform !== 'linux') {
    throw new OperatorError(
      'BLOCK_SYSTEM',
      `Block device '${path}' cannot be served on ${process.platform}`,
      {
        hint: 'it takes Linux',
      },
    )
  }
  const undo: Undo = []
  try {
    return await openLocked(options, undo)
  } catch (error) {
    for (const step of undo.reverse()) await step()
    throw error instanceof OperatorError ? error : cannotOpen(options, error)
  }
}

async function openLocked(options: BlockOptions, undo: Undo): Promise<BlockStore> {
  const { path } = options
  const canWrite = options.readonly !== true
  const stats = await stat(path, { bigint: true })
  if (!stats.isBlockDevice()) throw notDevice(path, stats.isFile())
  const number = deviceNumber(stats.rdev)
  undo.push(await lockDevice(path, stats.rdev, !canWrite))
  if (options.force !== true) await refuseUsed(path, number)
  const { O_RDWR, O_RDONLY, O_DIRECT, O_EXCL, O_DSYNC } = fs.constants
  // With O_EXCL the kernel lets nobody mount it or take it for a volume meanwhile, nor us what is mounted anywhere.
  const exclusive = canWrite && options.force !== true ? O_EXCL : 0
  const fd = await openFd(path, (canWrite ? O_RDWR : O_RDONLY) | O_DIRECT! | exclusive, undo)
  const durableFd = canWrite ? await openFd(path, O_RDWR | O_DIRECT! | O_DSYNC!, undo) : -1
  for (const one of [fd, durableFd]) if (one !== -1) await sameDevice(path, one, stats.rdev)
  const linux = options.linux === undefined ? await linuxCalls() : options.linux
  const facts = await deviceFacts(number)
  const measure = async (): Promise<number | null> => {
    const size = linux === null ? -1 : linux.deviceSize(fd)
    return size > 0 ? size : sizeNow(number)
  }
  const size = (await measure()) ?? 0
  if (size < facts.logical) {
    throw new OperatorError('BLOCK_EMPTY', `Block device '${path}' has no medium`, { hint: 'insert one' })
  }
  const device: OpenedDevice = {
    fd,
    durableFd,
    block: facts.logical,
    path,
    identity: `block:${facts.name || resolve(path)}`,
    size: size - (size % facts.logical),
    physical: facts.physical,
    canWrite,
    volatileCache: facts.volatileCache,
    space: linux?.space ?? null,
    discards: discardsOf(facts),
    discardGranularity: facts.discardGranularity || facts.physical,
    note: noteOf(linux, canWrite),
    sizeNow: measure,
    unlock: undo[0] as () => Promise<void>,
  }
  return new BlockStore(device, options.calls ?? fileCalls)
}

function discardsOf({ discardGranularity, zeroes }: DeviceFacts): OpenedDevice['discards'] {
  if (discardGranularity === 0) return 'none'
  return zeroes ? 'zeros' : 'anything'
}

function noteOf(linux: LinuxCalls | null, canWrite: boolean): string {
  if (linux !== null || !canWrite) return ''
  return "koffi is not installed ('npm install koffi' does it): what an initiator gives back stays taken, zeros are written"
}

async function lockDevice(path: string, rdev: bigint, shared: boolean): Promise<() => Promise<void>> {
  try {
    return await lockByName(path, { dev: rdev, ino: -1n }, shared)
  } catch (error) {
    if (!(error instanceof OperatorError) || error.code !== 'FILE_IN_USE') throw error
    throw new OperatorError('BLOCK_IN_USE', error.message.replace('File', 'Block device'), {
      hint: error.hint,
    })
  }
}

async function refuseUsed(path: string, number: string): Promise<void> {
  const use = await usersOf(number)
  if (use !== '') throw inUse(path, use)
}

function inUse(path: string, use: string): OperatorError {
  return new OperatorError('BLOCK_IN_USE', `Block device '${path}' is ${use}`, {
    hint: 'free it first; force=yes serves it all the same, and two that write to it destroy it',
  })
}

/** The name may lead to another device since it was looked at. */
async function sameDevice(path: string, fd: number, rdev: bigint): Promise<void> {
  const stats = await new Promise<fs.BigIntStats>((done, failed) => {
    fs.fstat(fd, { bigint: true }, (error, found) => (error === null ? done(found) : failed(error)))
  })
  if (stats.isBlockDevice() && stats.rdev === rdev) return
  throw new OperatorError('BLOCK_REPLACED', `Block device '${path}' was replaced while it was opened`, {
    hint: 'try again when it is left alone',
  })
}

function notDevice(path: string, isFile: boolean): OperatorError {
  return new OperatorError('BLOCK_NOT_DEVICE', `'${path}' is no block device`, {
    hint: isFile ? `write file:${path}` : 'name one such as /dev/sdb',
  })
}

const REASONS: Readonly<Record<string, readonly [code: string, reason: string, hint: string]>> = {
  ENOENT: ['BLOCK_MISSING', 'there is none of that name', 'check the path'],
  ENOTDIR: ['BLOCK_MISSING', 'a part of its path is no directory', 'check the path'],
  ENXIO: ['BLOCK_MISSING', 'nothing is behind that name', 'attach the device first'],
  ENODEV: ['BLOCK_MISSING', 'nothing is behind that name', 'attach the device first'],
  ENOMEDIUM: ['BLOCK_EMPTY', 'it has no medium', 'insert one'],
  EACCES: ['BLOCK_ACCESS', 'permission denied', 'change its permissions, or open it with readonly=yes'],
  EPERM: ['BLOCK_ACCESS', 'permission denied', 'change its permissions, or open it with readonly=yes'],
  EROFS: ['BLOCK_ACCESS', 'it is read-only', 'open it with readonly=yes'],
  EBUSY: [
    'BLOCK_IN_USE',
    'something uses it (a mount, a volume, another program)',
    'free it first; force=yes serves it all the same, and two that write to it destroy it',
  ],
}

function cannotOpen({ path }: BlockOptions, error: unknown): OperatorError {
  const message = error instanceof Error ? error.message : String(error)
  const [code, reason, hint] = REASONS[codeOf(error)] ?? ['BLOCK_OPEN', message, '']
  return new OperatorError(code, `Block device '${path}' cannot be opened: ${reason}`, { hint, cause: error })
}

function openFd(path: string, flags: number, undo: Undo): Promise<number> {
  return new Promise((done, failed) => {
    fs.open(path, flags, (error, fd) => {
      if (error !== null) return failed(error)
      undo.push(() => new Promise<void>(closed => fs.close(fd, () => closed())))
      done(fd)
    })
  })
}
