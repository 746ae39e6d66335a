// SPDX-License-Identifier: Apache-2.0
// What an error of the operating system, or of a library that copies its codes, is to a store.
import { StoreError } from '@lunkit/target-api'

const OF_CODE: Readonly<Record<string, StoreError>> = Object.freeze({
  ENOSPC: StoreError.noSpace,
  EDQUOT: StoreError.noSpace,
  EFBIG: StoreError.noSpace,
  EROFS: StoreError.readOnly,
  EACCES: StoreError.readOnly,
  EPERM: StoreError.readOnly,
  ENOENT: StoreError.gone,
  ENXIO: StoreError.gone,
  ENODEV: StoreError.gone,
  ENOMEDIUM: StoreError.gone,
  ENOTCONN: StoreError.gone,
  ESTALE: StoreError.gone,
  ECONNREFUSED: StoreError.gone,
  ECONNRESET: StoreError.gone,
  ECONNABORTED: StoreError.gone,
  EHOSTDOWN: StoreError.gone,
  EHOSTUNREACH: StoreError.gone,
  ENETDOWN: StoreError.gone,
  ENETUNREACH: StoreError.gone,
  ENOTFOUND: StoreError.gone,
  EPIPE: StoreError.gone,
  ETIMEDOUT: StoreError.gone,
  ABORT_ERR: StoreError.aborted,
  EBADF: StoreError.internal,
  EINVAL: StoreError.internal,
  EFAULT: StoreError.internal,
})

/** The `code` of an error such as `ENOSPC`, or empty where there is none. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return ''
  return typeof error.code === 'string' ? error.code : ''
}

/**
 * Maps by `code`: full, read-only and away are told apart, codes of the medium and unknown `E…` codes are medium
 * errors, and an error without such a code (a TypeError, a string) is the store's own fault. Permission says
 * nothing about read-only when it is a read that failed: it is a medium error there.
 */
export function errorOf(error: unknown, writing: boolean): StoreError {
  if (error instanceof Error && error.name === 'AbortError') return StoreError.aborted
  const code = codeOf(error)
  const known = Object.hasOwn(OF_CODE, code) ? OF_CODE[code]! : undefined
  if (known === undefined) return /^E[A-Z0-9]+$/.test(code) ? StoreError.medium : StoreError.internal
  if (known === StoreError.readOnly && !writing) return StoreError.medium
  return known
}
