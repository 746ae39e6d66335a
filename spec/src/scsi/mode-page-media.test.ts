// SPDX-License-Identifier: Apache-2.0
// Mode pages of optical drives, tapes and changers against bytes typed by hand.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as media from './mode-page-media.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('golden pages of optical drives', () => {
  const capabilities = media.CD_CAPABILITIES.write({
    pageCode: 0x2a,
    length: 0x1e,
    dvdRomRead: 1,
    cdRRead: 1,
    mode2Form1: 1,
    mode2Form2: 1,
    multiSession: 1,
    loadingMechanism: 1,
    eject: 1,
    lock: 1,
    maxReadSpeed: 0x1b90,
    bufferSize: 512,
  })
  assert.equal(hex(capabilities.subarray(0, 16)), '2a1e0900' + '70002900' + '1b900000' + '02000000')
  const parameters = media.WRITE_PARAMETERS.write({
    pageCode: 5,
    length: 0x32,
    bufe: 1,
    writeType: 2,
    trackMode: 4,
    packetSize: 16,
  })
  assert.equal(hex(parameters.subarray(0, 16)), '05324204' + '00000000' + '00000000' + '00100000')
  const timeouts = media.TIMEOUT_AND_PROTECT.write({
    pageCode: 0x1d,
    length: 10,
    softwareWriteProtect: 1,
    group1Timeout: 6,
  })
  assert.equal(hex(timeouts), '1d0a0000' + '01000006' + '00000000')
  const audio = media.CD_AUDIO_CONTROL.write({
    pageCode: 0x0e,
    length: 14,
    immed: 1,
    channel0: 1,
    volume0: 255,
  })
  assert.equal(hex(audio), '0e0e0400' + '00000000' + '01ff0000' + '00000000')
})

test('golden pages of tapes', () => {
  const compression = media.DATA_COMPRESSION.write({
    pageCode: 0x0f,
    length: 14,
    dce: 1,
    dcc: 1,
    dde: 1,
    compression: 0xff,
  })
  assert.equal(hex(compression), '0f0ec080' + '000000ff' + '00000000' + '00000000')
  const device = media.DEVICE_CONFIGURATION.write({
    pageCode: 0x10,
    length: 14,
    activePartition: 1,
    objectIdentifiers: 1,
    eeg: 1,
    compressionAlgorithm: 1,
    persistentWriteProtect: 1,
  })
  assert.equal(hex(device), '100e0001' + '00000000' + '40001000' + '00000102')
  const partition = media.MEDIUM_PARTITION.write({
    pageCode: 0x11,
    length: 10,
    maxAdditional: 1,
    idp: 1,
    psum: 3,
    pofm: 1,
    units: 9,
  })
  assert.equal(hex(partition), '110a01003c000900')
  const recovery = media.TAPE_ERROR_RECOVERY.write({ pageCode: 1, length: 10, tb: 1, dcr: 1, readRetries: 3 })
  assert.equal(hex(recovery), '010a21030000000000000000')
})

test('golden pages of changers', () => {
  const addresses = media.ELEMENT_ADDRESSES.write({
    pageCode: 0x1d,
    length: 0x12,
    transports: 1,
    firstStorage: 0x400,
    storages: 24,
    firstImportExport: 0x300,
    importExports: 1,
    firstDrive: 0x100,
    drives: 2,
  })
  assert.equal(hex(addresses), '1d12' + '00000001' + '04000018' + '03000001' + '01000002' + '0000')
  const capabilities = media.CHANGER_CAPABILITIES.write({
    pageCode: 0x1f,
    length: 0x12,
    storeDt: 1,
    storeSt: 1,
    moveStDt: 1,
    moveDtSt: 1,
    moveMtMt: 1,
    exchangeIeSt: 1,
  })
  assert.equal(hex(capabilities), '1f120a00' + '01080002' + '00000000' + '00000200' + '00000000')
  assert.equal(hex(media.TRANSPORT_GEOMETRY.write({ rotate: 1, member: 2 })), '0102')
})
