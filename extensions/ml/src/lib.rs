//! What cells call to prepare, train and judge: `ochre::ml` and `ochre::sweep`, over frames.
#![forbid(unsafe_code)]
