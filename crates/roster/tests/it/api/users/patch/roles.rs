//! Who may give whom which role: design.md §2, cell by cell: the key's role, the role of the user, the role that is asked.

use roster_directory::{Role, UserId, user::Patch};
use serde_json::json;

use super::super::of;
use crate::api::roles::USERS;
use crate::roster::Roster;

/// A table for each key, with a row for each role that a user has: what is answered if that user is to be of another
/// role. `2` for 200, `3` for 403, `4` for 404, `x` for 400: no key can assign it.
type Rows = [(&'static str, &'static str); 12];

#[rustfmt::skip]
const TABLES: [(&str, Rows); 12] = [
    (
        "HIPP_ADMIN",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "222222222xxx"),
            ("BILLING_MANAGER", "222222222xxx"),
            ("SCHEDULING_MANAGER", "222222222xxx"),
            ("CLINICIAN", "222222222xxx"),
            ("TECHNICIAN", "222222222xxx"),
            ("PATIENT", "222222222xxx"),
            ("CAREGIVER", "222222222xxx"),
            ("CLINICAL_ADMIN", "222222222xxx"),
            ("PAYROLL_ADMIN", "222222222xxx"),
            ("CLINICAL_SUPERADMIN", "333333333xxx"),
            ("HIPP_BILLING_MANAGER", "333333333xxx"),
            ("HIPP_ADMIN", "444444444xxx"),
        ],
    ),
    (
        "ADMIN",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "222222222xxx"),
            ("BILLING_MANAGER", "222222222xxx"),
            ("SCHEDULING_MANAGER", "222222222xxx"),
            ("CLINICIAN", "222222222xxx"),
            ("TECHNICIAN", "222222222xxx"),
            ("PATIENT", "222222222xxx"),
            ("CAREGIVER", "222222222xxx"),
            ("CLINICAL_ADMIN", "222222222xxx"),
            ("PAYROLL_ADMIN", "222222222xxx"),
            ("CLINICAL_SUPERADMIN", "333333333xxx"),
            ("HIPP_BILLING_MANAGER", "333333333xxx"),
            ("HIPP_ADMIN", "444444444xxx"),
        ],
    ),
    (
        "CLINICAL_SUPERADMIN",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "333333333xxx"),
            ("BILLING_MANAGER", "333333333xxx"),
            ("SCHEDULING_MANAGER", "332222223xxx"),
            ("CLINICIAN", "332222223xxx"),
            ("TECHNICIAN", "332222223xxx"),
            ("PATIENT", "332222223xxx"),
            ("CAREGIVER", "332222223xxx"),
            ("CLINICAL_ADMIN", "332222223xxx"),
            ("PAYROLL_ADMIN", "333333333xxx"),
            ("CLINICAL_SUPERADMIN", "333333333xxx"),
            ("HIPP_BILLING_MANAGER", "333333333xxx"),
            ("HIPP_ADMIN", "444444444xxx"),
        ],
    ),
    (
        "CLINICAL_ADMIN",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "333333333xxx"),
            ("BILLING_MANAGER", "333333333xxx"),
            ("SCHEDULING_MANAGER", "333333333xxx"),
            ("CLINICIAN", "333222233xxx"),
            ("TECHNICIAN", "333222233xxx"),
            ("PATIENT", "333222233xxx"),
            ("CAREGIVER", "333222233xxx"),
            ("CLINICAL_ADMIN", "333333333xxx"),
            ("PAYROLL_ADMIN", "333333333xxx"),
            ("CLINICAL_SUPERADMIN", "333333333xxx"),
            ("HIPP_BILLING_MANAGER", "333333333xxx"),
            ("HIPP_ADMIN", "444444444xxx"),
        ],
    ),
    (
        "SCHEDULING_MANAGER",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "333333333xxx"),
            ("BILLING_MANAGER", "333333333xxx"),
            ("SCHEDULING_MANAGER", "333333333xxx"),
            ("CLINICIAN", "333333333xxx"),
            ("TECHNICIAN", "333322233xxx"),
            ("PATIENT", "333322233xxx"),
            ("CAREGIVER", "333322233xxx"),
            ("CLINICAL_ADMIN", "333333333xxx"),
            ("PAYROLL_ADMIN", "333333333xxx"),
            ("CLINICAL_SUPERADMIN", "333333333xxx"),
            ("HIPP_BILLING_MANAGER", "333333333xxx"),
            ("HIPP_ADMIN", "444444444xxx"),
        ],
    ),
    (
        "BILLING_MANAGER",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "333333333xxx"),
            ("BILLING_MANAGER", "333333333xxx"),
            ("SCHEDULING_MANAGER", "333333333xxx"),
            ("CLINICIAN", "333333333xxx"),
            ("TECHNICIAN", "333333333xxx"),
            ("PATIENT", "333332233xxx"),
            ("CAREGIVER", "333332233xxx"),
            ("CLINICAL_ADMIN", "333333333xxx"),
            ("PAYROLL_ADMIN", "333333333xxx"),
            ("CLINICAL_SUPERADMIN", "333333333xxx"),
            ("HIPP_BILLING_MANAGER", "333333333xxx"),
            ("HIPP_ADMIN", "444444444xxx"),
        ],
    ),
    (
        "HIPP_BILLING_MANAGER",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "333333333xxx"),
            ("BILLING_MANAGER", "333333333xxx"),
            ("SCHEDULING_MANAGER", "333333333xxx"),
            ("CLINICIAN", "333333333xxx"),
            ("TECHNICIAN", "333333333xxx"),
            ("PATIENT", "333332233xxx"),
            ("CAREGIVER", "333332233xxx"),
            ("CLINICAL_ADMIN", "333333333xxx"),
            ("PAYROLL_ADMIN", "333333333xxx"),
            ("CLINICAL_SUPERADMIN", "333333333xxx"),
            ("HIPP_BILLING_MANAGER", "333333333xxx"),
            ("HIPP_ADMIN", "444444444xxx"),
        ],
    ),
    (
        "CLINICIAN",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "444444444xxx"),
            ("BILLING_MANAGER", "444444444xxx"),
            ("SCHEDULING_MANAGER", "444444444xxx"),
            ("CLINICIAN", "333333333xxx"),
            ("TECHNICIAN", "333333333xxx"),
            ("PATIENT", "333332233xxx"),
            ("CAREGIVER", "333332233xxx"),
            ("CLINICAL_ADMIN", "444444444xxx"),
            ("PAYROLL_ADMIN", "444444444xxx"),
            ("CLINICAL_SUPERADMIN", "444444444xxx"),
            ("HIPP_BILLING_MANAGER", "444444444xxx"),
            ("HIPP_ADMIN", "444444444xxx"),
        ],
    ),
    (
        "PAYROLL_ADMIN",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "333333333333"),
            ("BILLING_MANAGER", "333333333333"),
            ("SCHEDULING_MANAGER", "333333333333"),
            ("CLINICIAN", "333333333333"),
            ("TECHNICIAN", "333333333333"),
            ("PATIENT", "333333333333"),
            ("CAREGIVER", "333333333333"),
            ("CLINICAL_ADMIN", "333333333333"),
            ("PAYROLL_ADMIN", "333333333333"),
            ("CLINICAL_SUPERADMIN", "333333333333"),
            ("HIPP_BILLING_MANAGER", "333333333333"),
            ("HIPP_ADMIN", "333333333333"),
        ],
    ),
    (
        "TECHNICIAN",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "333333333333"),
            ("BILLING_MANAGER", "333333333333"),
            ("SCHEDULING_MANAGER", "333333333333"),
            ("CLINICIAN", "333333333333"),
            ("TECHNICIAN", "333333333333"),
            ("PATIENT", "333333333333"),
            ("CAREGIVER", "333333333333"),
            ("CLINICAL_ADMIN", "333333333333"),
            ("PAYROLL_ADMIN", "333333333333"),
            ("CLINICAL_SUPERADMIN", "333333333333"),
            ("HIPP_BILLING_MANAGER", "333333333333"),
            ("HIPP_ADMIN", "333333333333"),
        ],
    ),
    (
        "PATIENT",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "333333333333"),
            ("BILLING_MANAGER", "333333333333"),
            ("SCHEDULING_MANAGER", "333333333333"),
            ("CLINICIAN", "333333333333"),
            ("TECHNICIAN", "333333333333"),
            ("PATIENT", "333333333333"),
            ("CAREGIVER", "333333333333"),
            ("CLINICAL_ADMIN", "333333333333"),
            ("PAYROLL_ADMIN", "333333333333"),
            ("CLINICAL_SUPERADMIN", "333333333333"),
            ("HIPP_BILLING_MANAGER", "333333333333"),
            ("HIPP_ADMIN", "333333333333"),
        ],
    ),
    (
        "CAREGIVER",
        [
            //                       ABSCTPCCPSHH
            ("ADMIN", "333333333333"),
            ("BILLING_MANAGER", "333333333333"),
            ("SCHEDULING_MANAGER", "333333333333"),
            ("CLINICIAN", "333333333333"),
            ("TECHNICIAN", "333333333333"),
            ("PATIENT", "333333333333"),
            ("CAREGIVER", "333333333333"),
            ("CLINICAL_ADMIN", "333333333333"),
            ("PAYROLL_ADMIN", "333333333333"),
            ("CLINICAL_SUPERADMIN", "333333333333"),
            ("HIPP_BILLING_MANAGER", "333333333333"),
            ("HIPP_ADMIN", "333333333333"),
        ],
    ),
];

fn role(name: &str) -> Role {
    Role::parse(name).expect("a role")
}

#[tokio::test]
async fn every_key_may_change_every_role_to_every_role_as_the_table_says() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    for (key, rows) in TABLES {
        let client = org.key(role(key)).await;
        for (had, expected) in rows {
            let id = org.user("John", "Doe", role(had)).await;
            let user = UserId::parse(&id).expect("an id");
            let mut said = String::new();
            for asked in USERS {
                let answer = client.patch(&of(&id), json!({ "role": asked })).await;
                let is_now = roster.app().store().user(org.id(), user).await.expect("a read").expect("a user").role;
                assert_eq!(is_now.as_str(), if answer.status == 200 { asked } else { had }, "{key} {had} {asked}");
                said.push(match answer.status.as_u16() {
                    200 => '2',
                    403 => '3',
                    404 => '4',
                    400 => {
                        let issue = &answer.body["details"][0];
                        assert_eq!((&issue["code"], &issue["path"]), (&json!("invalid_enum_value"), &json!(["role"])));
                        'x'
                    }
                    status => panic!("{key} {had} {asked}: {status}"),
                });
                let back = Patch { role: Some(role(had)), ..Patch::default() };
                roster.app().update_user(&org.operator, user, &roster::app::Meant::Any, &back).await.expect("changed");
            }
            assert_eq!(said, expected, "a key of role {key}, a user of role {had}");
        }
    }
    assert_eq!(admin.get("/api/v1/users?role=ADMIN").await.status, 200);
}

/// The rows of [`TABLES`] say also who may change anything else of whom, let them go, and bring them back.
#[tokio::test]
async fn whoever_may_change_a_user_may_deactivate_and_restore_it_and_nobody_else() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    for (key, rows) in TABLES {
        let client = org.key(role(key)).await;
        for (had, row) in rows {
            let id = org.user("John", "Doe", role(had)).await;
            // What is said where it is asked to be a PATIENT, whom everybody may create who may create anybody.
            let patient = USERS.iter().position(|asked| *asked == "PATIENT").expect("it is one");
            let expected = match row.as_bytes()[patient] {
                b'2' => 200,
                b'3' => 403,
                _ => 404,
            };
            for path in ["deactivate", "deactivate", "restore", "restore"] {
                let answer = client.act(&format!("{}/{path}", of(&id))).await;
                assert_eq!(answer.status.as_u16(), expected, "{key} {had} {path}: {answer}");
            }
            let answer = client.patch(&of(&id), json!({ "city": "Springfield" })).await;
            assert_eq!(answer.status.as_u16(), expected, "{key} {had}: {answer}");
            let answer = client.patch(&of(&id), json!({})).await;
            assert_eq!(answer.status.as_u16(), expected, "{key} {had}: also what changes nothing");
        }
    }
}
