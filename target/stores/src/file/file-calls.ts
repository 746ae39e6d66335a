// SPDX-License-Identifier: Apache-2.0
// The calls of node:fs that an opened file store makes, so that a test can put failing ones in their place.
import fs from 'node:fs'

export type FileCalls = Pick<
  typeof fs,
  | 'read'
  | 'readv'
  | 'readSync'
  | 'readvSync'
  | 'write'
  | 'writev'
  | 'writeSync'
  | 'writevSync'
  | 'fdatasync'
  | 'fstat'
  | 'statfs'
  | 'ftruncate'
  | 'close'
>

export const fileCalls: FileCalls = fs
