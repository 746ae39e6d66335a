// SPDX-License-Identifier: Apache-2.0
// The qcow2 store: QEMU's image format, read and written without QEMU.
import type { StoreType } from '@lunkit/target-api'
import { openImage } from './open-image.ts'

export { openImage, type Qcow2Options } from './open-image.ts'
export { Qcow2Store } from './qcow2-store.ts'

export const store: StoreType = {
  apiVersion: 1,
  name: 'qcow2',
  parameters: {
    path: { type: 'path', help: 'The image', required: true, argument: true },
    size: { type: 'size', help: 'Size of its disk: creates the image if there is none; else it must match' },
    readonly: {
      type: 'boolean',
      help: 'Refuse writes; several units may then share the image',
      initial: false,
    },
    backing: {
      type: 'path',
      help: 'File behind a new image, or in the place of the one an image names; relative to the image',
    },
    'backing-format': {
      type: 'string',
      help: 'Format of that file, where the image does not say',
      choices: ['raw', 'qcow2'],
    },
    cluster: { type: 'size', help: 'Size of the clusters of a new image, 512 to 2M; 64K if not given' },
    cache: {
      type: 'size',
      help: 'L2 tables kept in memory: an eighth of a megabyte for each gigabyte in use, with clusters of 64K; 16M if not given',
    },
  },
  open: values => {
    const given = (name: string, option: string): Record<string, unknown> =>
      values[name] === undefined ? {} : { [option]: values[name] }
    return openImage({
      path: String(values['path']),
      readonly: values['readonly'] === true,
      ...given('size', 'size'),
      ...given('cluster', 'cluster'),
      ...given('cache', 'cache'),
      ...given('backing', 'backing'),
      ...given('backing-format', 'backingFormat'),
    })
  },
}
