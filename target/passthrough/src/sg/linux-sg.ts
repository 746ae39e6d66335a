// SPDX-License-Identifier: Apache-2.0
// What Linux's SCSI generic files are asked: Node's own file calls, and through koffi the ones that Node lacks.
import { close, constants, open, readvSync, writev } from 'node:fs'
import { OperatorError } from '@lunkit/target-api'
import { HEADER_LENGTH, layoutFits } from './header.ts'
import { Readiness } from './readiness.ts'

/** Empty where it went well, else the name of the errno. */
type Failure = string

/** All calls but `collect` and `addressOf` are made on threads, as each of them may wait for the unit's host adapter. */
export interface SgCalls {
  open(path: string, answer: (failure: Failure, fd: number) => void): void
  /** Gives the kernel one command for each header, in their order. `taken` may be fewer: then the next one failed. */
  submit(fd: number, headers: readonly Buffer[], answer: (failure: Failure, taken: number) => void): void
  /** Reads back headers of commands that have ended, with their data; their number, at once. Throws if the file is unusable. */
  collect(fd: number, headers: readonly Buffer[]): number
  /** Logical unit reset, without going on to the target or the bus if the unit does not take it. */
  reset(fd: number, answer: (failure: Failure) => void): void
  close(fd: number): void
  /** Most bytes of one command. */
  maxTransfer(fd: number): number
  /** Address of a buffer's memory; stable for its life. */
  addressOf(memory: ArrayBufferLike): number
  /** Calls `ready` while ended commands wait to be collected, or `gone` is true: the unit was taken away. */
  watch(fd: number, ready: (gone: boolean) => void): void
  unwatch(fd: number): void
  /** So many more, or fewer, commands are under way: nobody waits while there are none. */
  expect(more: number): void
}

/** Bytes, where sg is asked (linux/fs.h). */
const BLKSECTGET = 0x1267
/** SG_SCSI_RESET, and its argument: the device, and no escalation (SG_SCSI_RESET_NO_ESCALATE). */
const SCSI_RESET = 0x2284
const DEVICE_ONLY = 0x101

/** Where the kernel does not tell: what any adapter can. */
const USUAL_TRANSFER = 131072

let bound: Promise<SgCalls> | null = null

/** Binds once per process. Rejects with OperatorError where there is no Linux or no koffi. */
export function sgCalls(): Promise<SgCalls> {
  bound ??= bindSg(() => import('koffi'))
  return bound
}

export async function bindSg(load: () => Promise<typeof import('koffi')>): Promise<SgCalls> {
  if (process.platform !== 'linux' || !layoutFits()) {
    throw new OperatorError('SG_SYSTEM', 'Real SCSI devices can be passed through on 64-bit Linux only')
  }
  const { default: koffi } = await load().catch(cause => {
    throw new OperatorError('SG_KOFFI', 'Passing a SCSI device through needs koffi, which is not here', {
      hint: "'npm install koffi' brings it",
      cause,
    })
  })
  const library = koffi.load(null)
  const ioctl = library.func('int ioctl(int fd, unsigned long request, void *argument)')
  const names = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]))
  const errorName = (): string => names.get(koffi.errno()) ?? 'EIO'
  const readiness = new Readiness({
    create: library.func('int epoll_create1(int flags)'),
    control: library.func('int epoll_ctl(int epfd, int operation, int fd, void *event)'),
    wait: library.func('int epoll_wait(int epfd, void *events, int room, int timeout)'),
  })
  return {
    open: (path, answer) =>
      open(path, constants.O_RDWR | constants.O_NONBLOCK, (error, fd) =>
        answer(error === null ? '' : nameOf(error), error === null ? fd : -1),
      ),
    submit: (fd, headers, answer) =>
      writev(fd, headers, (error, bytes) =>
        answer(error === null ? '' : nameOf(error), (bytes ?? 0) / HEADER_LENGTH),
      ),
    collect: (fd, headers) => {
      try {
        return readvSync(fd, headers) / HEADER_LENGTH
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
        throw error
      }
    },
    reset: (fd, answer) => {
      const argument = Int32Array.of(DEVICE_ONLY, 0)
      ioctl.async(fd, SCSI_RESET, argument, (error: Error | null, result: number) => {
        // The argument lives until here
        argument[1] = 1
        answer(error !== null ? 'EFAULT' : result < 0 ? errorName() : '')
      })
    },
    maxTransfer: fd => {
      const bytes = new Int32Array(2)
      return ioctl(fd, BLKSECTGET, bytes) === 0 && bytes[0]! > 0 ? bytes[0]! : USUAL_TRANSFER
    },
    close: fd => close(fd, () => {}),
    addressOf: memory => Number(koffi.address(new Uint8Array(memory))),
    watch: (fd, ready) => readiness.watch(fd, ready),
    unwatch: fd => readiness.unwatch(fd),
    expect: more => readiness.expect(more),
  }
}

const nameOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'EIO'
