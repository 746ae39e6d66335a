// SPDX-License-Identifier: Apache-2.0
// Cookbook: disks over one image whose changes are thrown away.
import { createTarget, memory, overlay } from 'lunkit/target'

const image = memory('64M') // or file('golden.img', { … }), with 'file.readonly=yes' where several are to use it
await using target = await createTarget({ luns: [overlay(image, { most: '32M' })] })

const [lun] = target.luns
await lun!.control('snapshot') // from here on …
console.log(await lun!.control('reset')) // … all is as it was then
