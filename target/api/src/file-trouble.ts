// SPDX-License-Identifier: Apache-2.0
// What is wrong with a file, or with the way to somebody else, in words, where the system has only a code.

const WORDS: Readonly<Record<string, string>> = Object.freeze({
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of its path is no directory',
  EISDIR: 'it is a directory',
  ELOOP: 'its symbolic links lead in a circle',
  ENAMETOOLONG: 'its name is too long',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'its file system is read-only',
  ENOSPC: 'its file system is full',
  EBUSY: 'another program has it for itself',
  ENXIO: 'nothing is behind that name',
  ENODEV: 'nothing is behind that name',
  EMFILE: 'this process has too many open files',
})

/** Words for an error of the system, or for its code; `making`: of a file that would be made where there is none. */
export function fileTrouble(error: unknown, making = false): string {
  const code = typeof error === 'string' ? error : String((error as { code?: unknown } | null)?.code)
  if (making && code === 'ENOENT') return 'its directory does not exist'
  if (Object.hasOwn(WORDS, code)) return WORDS[code]!
  return error instanceof Error ? error.message : String(error)
}

const PEER_WORDS: Readonly<Record<string, string>> = Object.freeze({
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection was cut',
  ENOTFOUND: 'that host has no address',
  EAI_AGAIN: 'the address of that host cannot be asked for now',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  ETIMEDOUT: 'that host does not answer',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
})

/** Words for an error of a connection, by its code where that is known. */
export function peerTrouble(error: unknown): string {
  const code = String((error as { code?: unknown } | null)?.code)
  if (Object.hasOwn(PEER_WORDS, code)) return PEER_WORDS[code]!
  return error instanceof Error ? error.message : String(error)
}
