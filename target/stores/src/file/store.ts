// SPDX-License-Identifier: Apache-2.0
// The file store: a regular file, read and written through the page cache (SCST's FILEIO).
import type { StoreType } from '@lunkit/target-api'
import { openFile } from './open-file.ts'

export { FileStore } from './file-store.ts'
export { type FileOptions, openFile } from './open-file.ts'

export const store: StoreType = {
  apiVersion: 1,
  name: 'file',
  parameters: {
    path: { type: 'path', help: 'The file', required: true, argument: true },
    size: {
      type: 'size',
      help: 'Its length: creates the file, without filling it, if there is none; else it must match',
    },
    readonly: {
      type: 'boolean',
      help: 'Refuse writes; several units may then share the file',
      initial: false,
    },
  },
  open: values => {
    const path = String(values['path'])
    const readonly = values['readonly'] === true
    const size = values['size']
    return openFile(size === undefined ? { path, readonly } : { path, readonly, size: Number(size) })
  },
}
