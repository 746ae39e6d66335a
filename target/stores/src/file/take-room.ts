// SPDX-License-Identifier: Apache-2.0
// Takes room for a whole file before it is used, so that no write meets a full file system.
import { constants } from 'node:os'
import { OperatorError } from '@lunkit/target-api'
import type { LinuxCalls } from './linux-calls.ts'

const { ENOSPC, EDQUOT, EINTR } = constants.errno
/** One call takes no more than this. */
const AT_ONCE = 2 ** 30

/** From `from` to, not including, `to`; what is there stays as it is. Rejects with OperatorError. */
export async function takeRoom(
  path: string,
  fd: number,
  from: number,
  to: number,
  linux: LinuxCalls | null,
): Promise<void> {
  if (linux === null) {
    throw new OperatorError('FILE_PREALLOCATE', `Room for file '${path}' cannot be taken in advance`, {
      hint: "it takes Linux and koffi ('npm install koffi'); or leave preallocate= away",
    })
  }
  for (let at = from; at < to; ) {
    const length = Math.min(AT_ONCE, to - at)
    const errno = await new Promise<number>(resolve => {
      linux.space.reserve(fd, at, length, (_result, code) => resolve(code))
    })
    if (errno === EINTR) continue
    if (errno === ENOSPC || errno === EDQUOT) {
      throw new OperatorError(
        'FILE_SIZE',
        `File '${path}' cannot have room for ${to} bytes: its file system is full`,
        {
          hint: 'make room there, or leave preallocate= away',
        },
      )
    }
    if (errno !== 0) {
      throw new OperatorError('FILE_PREALLOCATE', `The file system of '${path}' takes no room in advance`, {
        hint: 'leave preallocate= away',
      })
    }
    at += length
  }
}
