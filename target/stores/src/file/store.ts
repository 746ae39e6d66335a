// SPDX-License-Identifier: Apache-2.0
// The file store: a regular file, read and written through the page cache (SCST's FILEIO).
import type { StoreType } from '@lunkit/target-api'
import { openFile, type Readahead } from './open-file.ts'

export { FileStore } from './file-store.ts'
export { type FileOptions, openFile } from './open-file.ts'
export { openOwnFile } from './own-file.ts'

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
    direct: { type: 'boolean', help: 'Read and write around the page cache (O_DIRECT)', initial: false },
    sync: {
      type: 'boolean',
      help: 'Make every write durable before it is answered: then there is no cache to flush',
      initial: false,
    },
    readahead: {
      type: 'string',
      help: 'What the kernel reads ahead: as it likes, more, or nothing',
      choices: ['normal', 'sequential', 'random', 'no'],
      initial: 'normal',
    },
    preallocate: {
      type: 'boolean',
      help: 'Take room for all of it at once, and keep it: the unit is not thin',
      initial: false,
    },
  },
  open: values => {
    const size = values['size']
    return openFile({
      asDisk: true,
      path: String(values['path']),
      readonly: values['readonly'] === true,
      direct: values['direct'] === true,
      sync: values['sync'] === true,
      readahead: String(values['readahead']) as Readahead,
      preallocate: values['preallocate'] === true,
      ...(size !== undefined && { size: Number(size) }),
    })
  },
}
