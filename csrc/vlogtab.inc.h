/* vlogtab.inc.h: constants of vlog.inc.h for one dtype, made by tools/remez.py. Included once per
 * dtype and ISA, like the code. */
/* clang-format off */
#if TG_REAL == 32
static const float log_table_f32[2][32] = { /* c, -log(c) */
    {0x1.643392p+0f, 0x1.5ca788p+0f, 0x1.5564fap+0f, 0x1.4e5f7ep+0f, 0x1.47bbccp+0f,
     0x1.4150cep+0f, 0x1.3b20d8p+0f, 0x1.352496p+0f, 0x1.2f7662p+0f, 0x1.29e8c6p+0f,
     0x1.2495a4p+0f, 0x1.1f774cp+0f, 0x1.1a814ap+0f, 0x1.15bc34p+0f, 0x1.111814p+0f,
     0x1.0c9fc6p+0f, 0x1.084550p+0f, 0x1.000000p+0f, 0x1.000000p+0f, 0x1.000000p+0f,
     0x1.e1ec86p-1f, 0x1.d42b36p-1f, 0x1.c72710p-1f, 0x1.badefep-1f, 0x1.af318ap-1f,
     0x1.a4252cp-1f, 0x1.99a968p-1f, 0x1.8fa128p-1f, 0x1.8624d2p-1f, 0x1.7d12acp-1f,
     0x1.746c6cp-1f, 0x1.6c1a00p-1f},
    {-0x1.523f24p-2f, -0x1.3c5146p-2f, -0x1.26c50ep-2f, -0x1.117d5ap-2f, -0x1.f9e780p-3f,
     -0x1.d1669ep-3f, -0x1.a9944ep-3f, -0x1.824e78p-3f, -0x1.5c531ap-3f, -0x1.36801cp-3f,
     -0x1.119064p-3f, -0x1.dad670p-4f, -0x1.938896p-4f, -0x1.4dc912p-4f, -0x1.08c2b6p-4f,
     -0x1.8a53b4p-5f, -0x1.047a88p-5f, 0x0.0p+0f, 0x0.0p+0f, 0x0.0p+0f, 0x1.efee28p-5f,
     0x1.6e9312p-4f, 0x1.e210e8p-4f, 0x1.290ddap-3f, 0x1.5fc7b8p-3f, 0x1.94f074p-3f,
     0x1.c8b076p-3f, 0x1.fb779ap-3f, 0x1.165524p-2f, 0x1.2e6bfep-2f, 0x1.45ee94p-2f,
     0x1.5d12bcp-2f},
};
static const float log2_table_f32[2][32] = { /* c, -log2(c) */
    {0x1.6434d8p+0f, 0x1.5c9c3cp+0f, 0x1.555938p+0f, 0x1.4e6baep+0f, 0x1.47b40ep+0f,
     0x1.4145d6p+0f, 0x1.3b1adep+0f, 0x1.352e2cp+0f, 0x1.2f6b12p+0f, 0x1.29efc6p+0f,
     0x1.249e82p+0f, 0x1.1f7be6p+0f, 0x1.1a8a36p+0f, 0x1.15b742p+0f, 0x1.1114fep+0f,
     0x1.0c9ffap+0f, 0x1.084282p+0f, 0x1.000000p+0f, 0x1.000000p+0f, 0x1.000000p+0f,
     0x1.e1e6bcp-1f, 0x1.d426fcp-1f, 0x1.c72844p-1f, 0x1.bad2e2p-1f, 0x1.af3094p-1f,
     0x1.a41b8ap-1f, 0x1.999da4p-1f, 0x1.8fa598p-1f, 0x1.862464p-1f, 0x1.7d0934p-1f,
     0x1.74608cp-1f, 0x1.6c1f36p-1f},
    {-0x1.e801e4p-2f, -0x1.c829a4p-2f, -0x1.a91068p-2f, -0x1.8ac5c2p-2f, -0x1.6ccbe6p-2f,
     -0x1.4f84ccp-2f, -0x1.32e192p-2f, -0x1.16d716p-2f, -0x1.f6188ep-3f, -0x1.c03a86p-3f,
     -0x1.8b04ecp-3f, -0x1.56b52cp-3f, -0x1.2373d0p-3f, -0x1.e123bap-4f, -0x1.7db53cp-4f,
     -0x1.1c76d8p-4f, -0x1.774d20p-5f, 0x0.0p+0f, 0x0.0p+0f, 0x0.0p+0f, 0x1.6603f0p-4f,
     0x1.088824p-3f, 0x1.5bb4e6p-3f, 0x1.acdfc4p-3f, 0x1.fb8986p-3f, 0x1.243bf8p-2f,
     0x1.4998f2p-2f, 0x1.6dff02p-2f, 0x1.918e2ep-2f, 0x1.b47226p-2f, 0x1.d66788p-2f,
     0x1.f78608p-2f},
};
static const float log10_table_f32[2][32] = { /* c, -log10(c) */
    {0x1.64322cp+0f, 0x1.5ca846p+0f, 0x1.55616ep+0f, 0x1.4e69a8p+0f, 0x1.47b798p+0f,
     0x1.41501ep+0f, 0x1.3b164ap+0f, 0x1.352a92p+0f, 0x1.2f69cep+0f, 0x1.29ec18p+0f,
     0x1.249496p+0f, 0x1.1f7c76p+0f, 0x1.1a8274p+0f, 0x1.15c09ap+0f, 0x1.111424p+0f,
     0x1.0ca594p+0f, 0x1.084388p+0f, 0x1.000000p+0f, 0x1.000000p+0f, 0x1.000000p+0f,
     0x1.e1e656p-1f, 0x1.d423f4p-1f, 0x1.c72a30p-1f, 0x1.bad0c6p-1f, 0x1.af2afcp-1f,
     0x1.a41d3ep-1f, 0x1.999f00p-1f, 0x1.8fa428p-1f, 0x1.86240ap-1f, 0x1.7d08c4p-1f,
     0x1.7462a0p-1f, 0x1.6c22b8p-1f},
    {-0x1.25c89ep-3f, -0x1.12c1dcp-3f, -0x1.fffeccp-4f, -0x1.db4fb8p-4f, -0x1.b75572p-4f,
     -0x1.943a28p-4f, -0x1.716bb6p-4f, -0x1.4fad14p-4f, -0x1.2e434cp-4f, -0x1.0dc652p-4f,
     -0x1.db2de6p-5f, -0x1.9cb03ap-5f, -0x1.5e8fe2p-5f, -0x1.222476p-5f, -0x1.cb8916p-6f,
     -0x1.571bd0p-6f, -0x1.c41f80p-7f, 0x0.0p+0f, 0x0.0p+0f, 0x0.0p+0f, 0x1.af1dd0p-6f,
     0x1.3e9e36p-5f, 0x1.a29f30p-5f, 0x1.023db4p-4f, 0x1.31a872p-4f, 0x1.5fdb60p-4f,
     0x1.8cda10p-4f, 0x1.b8ba6ep-4f, 0x1.e386f2p-4f, 0x1.06c546p-3f, 0x1.1b313ap-3f,
     0x1.2f1e30p-3f},
};
static const float log_c_f32[] = {
    -0x1.000000p-1f, 0x1.55569cp-2f, -0x1.000a14p-2f, 0x1.8789aep-3f
};
static const float log2_c_f32[] = {
    -0x1.715476p-1f, 0x1.ec7268p-2f, -0x1.7166b8p-2f, 0x1.1abf22p-2f
};
static const float log10_c_f32[] = {
    -0x1.bcb7b2p-3f, 0x1.287b94p-3f, -0x1.bcc1b2p-4f, 0x1.53a26ep-4f
};
#else
static const double log_table_f64[2][32] = { /* c, -log(c) */
    {0x1.6436bdbe5b219p+0, 0x1.5ca578299d80ap+0, 0x1.556278c159f12p+0, 0x1.4e67fc94eb8fep+0,
     0x1.47b7a80356edap+0, 0x1.4147825f88cfdp+0, 0x1.3b1e0b5c4a060p+0, 0x1.3524f12951b52p+0,
     0x1.2f6dadd1c20eep+0, 0x1.29f237246b855p+0, 0x1.24a065186fb41p+0, 0x1.1f7f18c65416cp+0,
     0x1.1a7c965864e77p+0, 0x1.15bf0dac7d84ep+0, 0x1.1118f3a58b4c6p+0, 0x1.0c99f35eb5cb7p+0,
     0x1.084ee3833e210p+0, 0x1.0000000000000p+0, 0x1.0000000000000p+0, 0x1.0000000000000p+0,
     0x1.e1e7ffbb717c7p-1, 0x1.d424fcdab910ep-1, 0x1.c72564f3852a9p-1, 0x1.badc0a789bc0ap-1,
     0x1.af2efd554a042p-1, 0x1.a41a55e8cb90cp-1, 0x1.999ac01d0a896p-1, 0x1.8fabdb8060b12p-1,
     0x1.862129aee4c76p-1, 0x1.7d08c5f4eb96dp-1, 0x1.7467ecd78b9f2p-1, 0x1.6c204be47d5dep-1},
    {-0x1.5248418aeab20p-2, -0x1.3c4b37b854d1cp-2, -0x1.26bd8a952eed0p-2,
     -0x1.11975d3699c1dp-2, -0x1.f9cda0003aeafp-3, -0x1.d12b5de40375fp-3,
     -0x1.a9821c8599331p-3, -0x1.8250d3ebf4b53p-3, -0x1.5c185baaa12f6p-3,
     -0x1.36c103ccf16e8p-3, -0x1.11dba96bf984dp-3, -0x1.db4591d1a6b24p-4,
     -0x1.934469d0b6165p-4, -0x1.4df31ae9d2fe3p-4, -0x1.08cfd057eb7ecp-4,
     -0x1.89a21f9b071e6p-5, -0x1.05a35bddd0fc0p-5, 0x0.0p+0, 0x0.0p+0, 0x0.0p+0,
     0x1.f03b11377cad9p-5, 0x1.6ec984c37dd9ap-4, 0x1.e21feb1dbf3ebp-4, 0x1.291b7fe42bb75p-3,
     0x1.5fd3d3f2309a0p-3, 0x1.95254700676bdp-3, 0x1.c8f9bbea865aap-3, 0x1.fb40c37ba48a7p-3,
     0x1.165ebd920e14ap-2, 0x1.2e8697b3065aep-2, 0x1.45faf13ffa083p-2, 0x1.5d0106dce01a3p-2},
};
static const double log2_table_f64[2][32] = { /* c, -log2(c) */
    {0x1.643bb2efe6904p+0, 0x1.5ca667a167464p+0, 0x1.55601edf04a8ep+0, 0x1.4e66dff4f23b3p+0,
     0x1.47b7a48d9906fp+0, 0x1.41429dfcf0c99p+0, 0x1.3b1d770847f01p+0, 0x1.3523b58dc6e4bp+0,
     0x1.2f7517980dc95p+0, 0x1.29e93a924d4a7p+0, 0x1.249cdba29a729p+0, 0x1.1f784db544265p+0,
     0x1.1a83034db15a8p+0, 0x1.15bd4db87b756p+0, 0x1.111bb97a9baccp+0, 0x1.0ca3e502eeeecp+0,
     0x1.084afd42d00cbp+0, 0x1.0000000000000p+0, 0x1.0000000000000p+0, 0x1.0000000000000p+0,
     0x1.e1e27d215fc53p-1, 0x1.d4213b85d413bp-1, 0x1.c721e40ffcd99p-1, 0x1.bad705c947941p-1,
     0x1.af2c1e1ef94adp-1, 0x1.a4231a9bda0ffp-1, 0x1.999f012b99d4dp-1, 0x1.8fa7682d12ccdp-1,
     0x1.861c43fb22169p-1, 0x1.7d08f766419e2p-1, 0x1.746c6a0e511e8p-1, 0x1.6c1a9b4ed3860p-1},
    {-0x1.e81e521947fd1p-2, -0x1.c854bce11de4ep-2, -0x1.a92e4686f1473p-2,
     -0x1.8ab0881242561p-2, -0x1.6cdc12d7aea0ep-2, -0x1.4f75fed7d68d8p-2,
     -0x1.32edbfd950695p-2, -0x1.16a5170d9b6bfp-2, -0x1.f67a23bda1324p-3,
     -0x1.bff99e0d44594p-3, -0x1.8af4433e83a97p-3, -0x1.56903965b1c09p-3,
     -0x1.2328892eb5536p-3, -0x1.e1a45d3a4cc54p-4, -0x1.7e46e8ed90ca7p-4,
     -0x1.1ccd07defe58dp-4, -0x1.78c86bc4b038ap-5, 0x0.0p+0, 0x0.0p+0, 0x0.0p+0,
     0x1.6637ffe2fcfc9p-4, 0x1.08ac716fe0169p-3, 0x1.5bde47f61f8dfp-3, 0x1.acc424f35332bp-3,
     0x1.fba816a651fb5p-3, 0x1.24215e1a4bb3fp-2, 0x1.499406b0eb2acp-2, 0x1.6df84e288a470p-2,
     0x1.91acf28f577b3p-2, 0x1.b47310f48428dp-2, 0x1.d63873f7f311cp-2, 0x1.f798b652845ccp-2},
};
static const double log10_table_f64[2][32] = { /* c, -log10(c) */
    {0x1.64320532c7ffdp+0, 0x1.5ca4914420ab8p+0, 0x1.555e9b1338cd5p+0, 0x1.4e6037aad825cp+0,
     0x1.47bcd513f2180p+0, 0x1.414d64e44ac80p+0, 0x1.3b160fe4518acp+0, 0x1.3531b6cf394c2p+0,
     0x1.2f6d591bb4139p+0, 0x1.29f163327554cp+0, 0x1.249ec251125ccp+0, 0x1.1f72c65449dddp+0,
     0x1.1a892e02b45ddp+0, 0x1.15bac113a57b4p+0, 0x1.111e220751215p+0, 0x1.0c9dfabf4897ap+0,
     0x1.084b3db42cb8ep+0, 0x1.0000000000000p+0, 0x1.0000000000000p+0, 0x1.0000000000000p+0,
     0x1.e1e4310d56fd8p-1, 0x1.d4229e317b376p-1, 0x1.c71d349478c15p-1, 0x1.bad3826b858e6p-1,
     0x1.af342155d6250p-1, 0x1.a425922896296p-1, 0x1.99a9319a5e813p-1, 0x1.8f9ff3afe6e5cp-1,
     0x1.861b472a22cf3p-1, 0x1.7d0a60fd648f3p-1, 0x1.746a24c6539dfp-1, 0x1.6c1950b34210bp-1},
    {-0x1.25c83d1c59ec4p-3, -0x1.12b867b3a55b3p-3, -0x1.fff014e99b8c0p-4,
     -0x1.db1d81e2f256fp-4, -0x1.b771e13ba97c2p-4, -0x1.942b14918212bp-4,
     -0x1.716a6df13f58bp-4, -0x1.4fd62e10d209ap-4, -0x1.2e581220ed6ccp-4,
     -0x1.0de5ed7e92e02p-4, -0x1.dba99801de163p-5, -0x1.9c38593382a50p-5,
     -0x1.5ee496dcfa124p-5, -0x1.21d98f10a061fp-5, -0x1.cc8d6e9171a76p-6,
     -0x1.56528a7336ab8p-6, -0x1.c5bea88dc569fp-7, 0x0.0p+0, 0x0.0p+0, 0x0.0p+0,
     0x1.af3d798cab348p-6, 0x1.3ea85ba7650c0p-5, 0x1.a304aa8e1ba5bp-5, 0x1.0232b651dca9fp-4,
     0x1.3182b6bfc4765p-4, 0x1.5fb81c3fab565p-4, 0x1.8cadcbc5e4828p-4, 0x1.b8cd24f294abdp-4,
     0x1.e3aee4ca2cc18p-4, 0x1.06c181fae24bep-3, 0x1.1b1f44e4abbebp-3, 0x1.2f3528599043ap-3},
};
static const double log_c_f64[] = {
    -0x1.000000000004dp-1, 0x1.5555555555ce1p-2, -0x1.fffffffc82420p-3, 0x1.99999952d30c1p-3,
    -0x1.55557d109c74ap-3, 0x1.2496ee4664acap-3, -0x1.ff2c13f54dd14p-4, 0x1.9e3a65032b73ap-4
};
static const double log2_c_f64[] = {
    -0x1.71547652b836cp-1, 0x1.ec709dc3a0f39p-2, -0x1.7154765036d4bp-2, 0x1.2776c4dbaa796p-2,
    -0x1.ec70d6e12ffcap-3, 0x1.a61e16947bbccp-3, -0x1.70bc280aee893p-3, 0x1.2ad4011559175p-3
};
static const double log10_c_f64[] = {
    -0x1.bcb7b1526e593p-3, 0x1.287a7636f4a23p-3, -0x1.bcb7b14f68ddep-4, 0x1.63c6273750b6dp-4,
    -0x1.287a98a092ed6p-4, 0x1.fc47b91af54e1p-5, -0x1.bc003c4bcd1d4p-5, 0x1.67d2032f8dc11p-5
};
#endif
/* clang-format on */
