import { Type } from 'typebox';
import { defineManifest } from '#addon/manifest';
import commands from './commands.ts';
import { fileTransfer } from './protocol.ts';

const Name = Type.String({ maxLength: 256 });
const Names = Type.Array(Name, { default: [], maxItems: 256 });
const Bytes = Type.Integer({ minimum: 0, default: 0 });
const No = Type.Boolean({ default: false });

/** What a person may do to the files of the device (§4.3); nothing of it counts unless `Enabled`. */
const Limits = Type.Object(
  {
    Enabled: No,
    FileTransfer: Type.Object(
      {
        Chroot: Type.String({ default: '', maxLength: 4096 }),
        FollowSymLinks: No,
        AllowOverwrite: No,
        OwnerGet: Names,
        GroupGet: Names,
        OwnerPut: Type.String({ default: '', maxLength: 256 }),
        GroupPut: Type.String({ default: '', maxLength: 256 }),
        /** 0 is none. */
        MaxFileSize: Bytes,
        RegularFilesOnly: No,
        AllowSuid: No,
        /** Ours: refuses set-uid files however the mode is spelt; the reference sees only one of two spellings. */
        ForbidSuid: No,
        /** Octal. Replaces the mode that was asked for by 0777 without these bits. */
        Umask: Type.String({ default: '', pattern: '^[0-7]{0,4}$' }),
        Counters: Type.Object({ MaxBytesTxPerMinute: Bytes, MaxBytesRxPerMinute: Bytes }, { default: {} }),
      },
      { default: {} },
    ),
  },
  { default: {} },
);

/** Files to and from the device. Keys are those of mender-connect (§4.2, §4.3). */
export default defineManifest({
  api: 1,
  id: 'file-transfer',
  title: 'Files',
  icon: 'files',
  halves: ['device', 'server', 'web', 'cli'],
  commands,
  protocol: fileTransfer,
  sessions: 'sessions:transfer',
  audit: { get_file: ['path'], put_file: ['path', 'src_path'], list: ['path'], make_folder: ['path'] },
  config: Type.Object({ Disable: No, Limits }),
});
