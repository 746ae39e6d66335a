// SPDX-License-Identifier: Apache-2.0
// Names that the operator gave the unit, and the pages that tell of its ports and of where it is managed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DesignatorType, designatorText, INQUIRY, INVALID_FIELD_IN_CDB, readDesignators } from '@lunkit/spec'
import { benchPort, cdbOf } from '../../../../testing/kit/device-bench.ts'
import { openDisk } from '../disk/disk.test-kit.ts'

const page = (pageCode: number) => cdbOf(INQUIRY, { evpd: 1, pageCode, allocation: 0xffff })

// Requirement: SPC-4, Device Identification VPD page: EUI-64, SCSI name string and T10 identifier as the operator set them.
test('83h tells all names that were given, from the next command on', async () => {
  const { bench } = await openDisk()
  const { identity } = bench.unit
  bench.unit.identity = {
    ...identity,
    naa: Buffer.from('600508b1001c3bd5d2a6ff1ed9b0c5f3', 'hex'),
    eui64: Buffer.from('0011223344556677', 'hex'),
    scsiName: 'iqn.2026-11.test:unit',
    t10Id: 'the one',
    serial: 'S-2',
  }
  const { data } = await bench.run(page(0x83))
  const unit = readDesignators(data, 4).filter(({ association }) => association === 0)
  assert.deepEqual(
    unit.map(one => [one.type, designatorText(one)]),
    [
      [DesignatorType.naa, 'naa.600508b1001c3bd5d2a6ff1ed9b0c5f3'],
      [DesignatorType.eui64, 'eui.0011223344556677'],
      [DesignatorType.t10Vendor, 't10.LUNKIT  the one'],
      [DesignatorType.scsiName, 'iqn.2026-11.test:unit'],
    ],
  )
  assert.equal((await bench.run(page(0x80))).data.toString('latin1', 4), 'S-2')
})

// Requirement: SPC-4, SCSI Ports VPD page: every port of the target with its relative identifier and its name.
test('88h lists the ports, the one that was asked among them', async () => {
  const { bench } = await openDisk()
  bench.target.ports = [benchPort(1), benchPort(0x102)]
  const { data } = await bench.run(page(0x88))
  const ports: [number, string[]][] = []
  for (let at = 4; at < data.length; ) {
    assert.equal(data.readUInt16BE(at + 6), 0)
    const length = data.readUInt16BE(at + 10)
    const names = readDesignators(data, at + 12, at + 12 + length).map(designatorText)
    ports.push([data.readUInt16BE(at + 2), names])
    at += 12 + length
  }
  assert.deepEqual(ports, [
    [1, ['iqn.2026-11.test:bench,t,0x0001']],
    [0x102, ['iqn.2026-11.test:bench,t,0x0102']],
  ])
  assert.equal(data.readUInt16BE(2), data.length - 4)
  bench.target.ports = [benchPort(9)]
  assert.equal((await bench.run(page(0x88))).data.readUInt16BE(6), 1)
})

// Requirement: SPC-4, Management Network Addresses VPD page: an address for each service, ended by a zero and padded.
test('85h is there where an address was given', async () => {
  const { bench } = await openDisk()
  assert.equal((await bench.run(page(0x85))).sense, INVALID_FIELD_IN_CDB)
  bench.unit.identity = {
    ...bench.unit.identity,
    management: [
      { service: 1, address: 'https://a' },
      { service: 3, address: '1234567' },
    ],
  }
  const { data } = await bench.run(page(0x85))
  const text = (address: string, length: number) =>
    Buffer.from(address.padEnd(length, '\0'), 'latin1').toString('hex')
  assert.equal(data.toString('hex'), `0085001c0100000c${text('https://a', 12)}03000008${text('1234567', 8)}`)
  const pages = (await bench.run(page(0))).data
  assert.ok(pages.subarray(4).includes(0x85))
})
