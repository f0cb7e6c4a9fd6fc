// Package config turns sallyport.yaml and the environment into typed settings.
//
// It owns the keys, their types, defaults, meaning and relations; each key is
// described once, in the tags of [Settings], and that description feeds the
// decoder's messages, the reference page, the JSON Schema and "config show". It
// does not know who uses a setting, and it never reads the environment but
// through the lookup it is given.
//
// The invariant a stranger would break: settings are effective. Every default
// has been applied, absent was told apart from an explicit "0" or "off" while
// reading, and so a zero in [Settings] always means "off" (or "none"), never
// "not set". Only the assembly and the command line may import this package.
package config
