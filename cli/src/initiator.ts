// SPDX-License-Identifier: Apache-2.0
// The library face `lunkit/initiator`: use SCSI disks over iSCSI from a Node program.
export * from '@lunkit/initiator-driver-iscsi'
