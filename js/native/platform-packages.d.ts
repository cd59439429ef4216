/** The addon of a platform, which is installed where it fits. */
declare module "trigger-native-*" {
  import addon = require("./addon.js");
  export = addon;
}
